import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import type { Fault } from "./fault.ts";

/** A request as it was received. Nothing is decoded, merged or sorted: signatures depend on it. */
export interface RawRequest {
  readonly method: string;
  /** Path and query, byte for byte. */
  readonly target: string;
  /** In the order and case in which they were sent. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Only a part, if `bodyTooLarge`. */
  readonly body: Buffer;
  readonly bodyTooLarge: boolean;
  readonly sourceIp: string;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body: string | Buffer;
}

/** A call to execute: the answer, and the fault that a test injects. */
export interface Call {
  readonly fault: Fault | undefined;
  readonly answer: () => Answer | Promise<Answer>;
}

/**
 * A stand-in without HTTP: `listen` serves it on a port, and an in-process client calls it
 * directly.
 */
export type Serve = (request: RawRequest) => Call | Promise<Call>;

/** The request cannot be read. The stand-in answers 400. */
export class UnreadableRequest extends Error {
  override readonly name = "UnreadableRequest";
}

/** An injected fault breaks the connection. The caller gets no answer. */
export class ConnectionDropped extends Error {
  override readonly name = "ConnectionDropped";
  readonly code = "ECONNRESET";
}

/**
 * Sends one request to a stand-in and applies the fault that is injected into it.
 *
 * If the stand-in itself fails, the error is printed and answered with 500 (400 if it cannot read
 * the request). With a broken connection instead, a client would retry, and a test would pass in
 * spite of the bug.
 *
 * @throws ConnectionDropped only if the fault says so.
 */
export async function exchange(serve: Serve, request: RawRequest): Promise<Answer> {
  // Without the query, which may hold a key.
  const what = `${request.method} ${request.target.replace(/\?.*/s, "")}`;
  try {
    const { fault, answer } = await serve(request);
    if (fault === undefined) return await answer();
    if ("status" in fault) return fault;
    if ("drop" in fault) {
      if (fault.drop === "after") await answer();
      throw new ConnectionDropped("The connection was reset by an injected fault.");
    }
    await wait(fault.delayMs);
    return await answer();
  } catch (error) {
    if (error instanceof ConnectionDropped) throw error;
    if (error instanceof UnreadableRequest) {
      console.error(`A stand-in cannot read ${what}: ${error.message}`);
      return failure(400, error.message);
    }
    console.error(`A stand-in failed at ${what}:`, error);
    return failure(500, "The stand-in failed. It has printed the error.");
  }
}

/**
 * Rejects when the caller aborts. The stand-in continues with the call, as a server does after a
 * client has disconnected.
 */
export async function untilAborted<T>(answering: Promise<T>, signal: AbortSignal): Promise<T> {
  answering.catch(() => undefined); // Not awaited after an abort.
  if (signal.aborted) throw signal.reason as Error;
  const done = new AbortController();
  const aborted = once(signal, "abort", { signal: done.signal }).then(() => {
    throw signal.reason as Error;
  });
  aborted.catch(() => undefined); // Not awaited if the answer came first.
  try {
    return await Promise.race([answering, aborted]);
  } finally {
    done.abort();
  }
}

function failure(status: number, message: string): Answer {
  return { status, headers: { "Content-Type": "application/json" }, body: JSON.stringify({ message }) };
}

/** The first header of that name. @param name in lower case */
export function headerOf(request: RawRequest, name: string): string | undefined {
  return request.headers.find(([candidate]) => candidate.toLowerCase() === name)?.[1];
}
