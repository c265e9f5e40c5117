import type { HttpHandler } from "@smithy/core/protocols";
import picocolors from "picocolors";
import { type Environment, readVariable } from "../environment.ts";
import type { RunChild } from "./run-child.ts";

/**
 * Everything a command may touch outside itself. bin/voxtoken.ts makes the real one, and nothing else reads `process`; a
 * test passes its own.
 */
export interface Io {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Environment;
  readonly fetch: typeof fetch;
  /** How AWS clients send their requests; absent: as the SDK does. For a test whose stand-ins have no HTTP. */
  readonly awsClient?: { readonly requestHandler: HttpHandler; readonly maxAttempts: number };
  /** Milliseconds since the epoch, as `Date.now`. */
  readonly now: () => number;
  /** Milliseconds since the machine was started: a clock that is never set, the same in each process. */
  readonly monotonic: () => number;
  /** Resolves after so many milliseconds. */
  readonly sleep: (ms: number) => Promise<void>;
  /** Undefined where the user has none. */
  readonly homeDirectory: string | undefined;
  /** Of the process; undefined on Windows, where files have no such owner. */
  readonly userId: number | undefined;
  readonly runChild: RunChild;
  /**
   * Has Ctrl-C (SIGINT, SIGTERM, SIGHUP) call `listener` instead of ending the process, for a command that has to put
   * things in order first. Returns what takes the listener off again.
   */
  readonly onInterrupt?: (listener: () => void) => () => void;
}

export type Input = AsyncIterable<Buffer | string> & {
  readonly isTerminal: boolean;
  /** Whether a terminal shows what is typed; then, too, whether it edits the line. Nothing where there is no terminal. */
  setEcho?(on: boolean): void;
};

export interface Output {
  readonly isTerminal: boolean;
  write(text: string): void;
}

/** Colours for one of the streams: on a terminal only, and never with NO_COLOR (https://no-color.org). */
export function colorsFor(io: Io, output: Output): ReturnType<typeof picocolors.createColors> {
  const plain = readVariable(io.env, "NO_COLOR") !== undefined || readVariable(io.env, "TERM") === "dumb";
  return picocolors.createColors(output.isTerminal && !plain);
}

export function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, " ").trim();
}
