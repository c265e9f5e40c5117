import type { HttpHandler } from "@smithy/core/protocols";
import picocolors from "picocolors";
import { type Environment, readVariable } from "../environment.ts";
import type { RunChild } from "./run-child.ts";

/**
 * The streams, environment, clocks and network that a command may use. bin/voxtoken.ts creates this
 * object from `process`. Tests pass their own.
 */
export interface Io {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Environment;
  readonly fetch: typeof fetch;
  /** How AWS clients send requests. Set only by tests whose stand-ins have no HTTP server. */
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
  /** Makes the terminal show or hide what is typed. Does nothing without a terminal. */
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

/** Makes text one line without control characters, because they can control the terminal. */
export function oneLine(text: string): string {
  return text
    .replace(/\s*[\r\n]+\s*/g, " ")
    .replace(/\p{Cc}/gu, " ")
    .trim();
}

/**
 * JSON that is safe to print. JSON.stringify does not escape DEL and the C1 control characters, so
 * this function escapes them.
 */
export function printableJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(
    /[\u007f-\u009f]/g,
    (character) => `\\u00${character.charCodeAt(0).toString(16)}`,
  );
}

/**
 * A server's text in several lines. On a terminal, `?` replaces each control character except tab,
 * CR and LF, because they can control the terminal. A file or a pipe gets the text unchanged.
 */
export function printableText(text: string, { isTerminal }: Output): string {
  return isTerminal ? text.replace(/(?![\t\r\n])\p{Cc}/gu, "?") : text;
}
