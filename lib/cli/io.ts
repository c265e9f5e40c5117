import type { HttpHandler } from "@smithy/core/protocols";
import picocolors from "picocolors";
import { type Environment, readVariable } from "../environment.ts";
import type { RunChild } from "./run-child.ts";

/**
 * Everything outside a command that it may use. bin/voxtoken.ts creates it from `process`, which
 * nothing else reads. Tests pass their own.
 */
export interface Io {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Environment;
  readonly fetch: typeof fetch;
  /** How AWS clients send requests. Only for tests whose stand-ins have no HTTP. */
  readonly awsClient?: { readonly requestHandler: HttpHandler; readonly maxAttempts: number };
  /** Milliseconds since the epoch, as `Date.now`. */
  readonly now: () => number;
  /**
   * Milliseconds since the machine started. This clock is never set, and all processes share it.
   */
  readonly monotonic: () => number;
  /** Resolves after so many milliseconds. */
  readonly sleep: (ms: number) => Promise<void>;
  /** Undefined if the user has none. */
  readonly homeDirectory: string | undefined;
  /** The user id of the process; undefined on Windows, where files have no such owner. */
  readonly userId: number | undefined;
  readonly runChild: RunChild;
  /**
   * Makes SIGINT, SIGTERM and SIGHUP call `listener` instead of ending the process, for a command
   * that has to clean up first. Returns a function that removes the listener.
   */
  readonly onInterrupt?: (listener: () => void) => () => void;
}

export type Input = AsyncIterable<Buffer | string> & {
  readonly isTerminal: boolean;
  /** Whether the terminal shows what is typed. Without a terminal, it does nothing. */
  setEcho?(on: boolean): void;
};

export interface Output {
  readonly isTerminal: boolean;
  write(text: string): void;
}

/** Colours for an output: only on a terminal, and never with NO_COLOR. https://no-color.org */
export function colorsFor(io: Io, output: Output): ReturnType<typeof picocolors.createColors> {
  const plain = readVariable(io.env, "NO_COLOR") !== undefined || readVariable(io.env, "TERM") === "dumb";
  return picocolors.createColors(output.isTerminal && !plain);
}

/** In one line, without control characters: a server's text must not steer the terminal. */
export function oneLine(text: string): string {
  return text
    .replace(/\s*[\r\n]+\s*/g, " ")
    .replace(/\p{Cc}/gu, " ")
    .trim();
}

/**
 * JSON that may be printed: JSON.stringify leaves DEL and the C1 control characters as they are.
 */
export function printableJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(
    /[\u007f-\u009f]/g,
    (character) => `\\u00${character.charCodeAt(0).toString(16)}`,
  );
}

/**
 * A server's text in several lines. On a terminal, `?` replaces control characters, because they
 * must not steer the terminal. A file or a pipe gets the text unchanged.
 */
export function printableText(text: string, { isTerminal }: Output): string {
  return isTerminal ? text.replace(/(?![\t\r\n])\p{Cc}/gu, "?") : text;
}
