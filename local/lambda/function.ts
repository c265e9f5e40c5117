import { randomUUID } from "node:crypto";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";

export interface LambdaFunction {
  /**
   * Calls the handler with a copy of the event, and Lambda's context.
   *
   * @returns the handler's result, after JSON encoding and decoding.
   * @throws FunctionError the handler threw, or the function is not running.
   */
  readonly invoke: (event: object) => Promise<unknown>;
  /** Bytes of its heap that are in use after a garbage collection. @throws FunctionError */
  readonly heapBytes: () => Promise<unknown>;
  /** Ends the function at once. Running calls fail, as when a container of Lambda ends. */
  readonly close: () => Promise<void>;
}

/** The function failed: at its start, in its handler, or because its process ended. */
export class FunctionError extends Error {
  override readonly name = "FunctionError";
}

interface LambdaOptions {
  readonly name: string;
  /** Path of the built bundle. */
  readonly bundle: string;
  /** Its whole environment: it inherits nothing from this process. */
  readonly env: Readonly<Record<string, string>>;
  /** Called for each line that the function writes, as for CloudWatch Logs. */
  readonly onLine: (line: string) => void;
  /** Default: 10 s. A call that takes longer fails. */
  readonly timeoutMs?: number;
  /** Called once when the function has ended. */
  readonly onEnd?: () => void;
}

type Message =
  | { readonly ready: true }
  | { readonly initError: string }
  | { readonly output: string }
  | { readonly id: string; readonly result?: string; readonly error?: string };

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * Lambda's limit for a response, with the number of its error message.
 * https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
 */
const MAX_RESPONSE_BYTES = 6_291_556;

function tooLarge(result: string | undefined): string | undefined {
  if (Buffer.byteLength(result ?? "") <= MAX_RESPONSE_BYTES) return undefined;
  return `Response payload size exceeded maximum allowed payload size (${MAX_RESPONSE_BYTES} bytes).`;
}

/**
 * Starts a bundle as Lambda does: first its init, then calls in the same warm process, with its own
 * environment and output. Calls may overlap here. On Lambda, each of them would have its own
 * process.
 *
 * @throws FunctionError its init failed.
 */
export async function startFunction(options: LambdaOptions): Promise<LambdaFunction> {
  const timeoutMs = options.timeoutMs ?? 10_000;
  const worker = new Worker(new URL("bootstrap.mjs", import.meta.url), {
    env: { ...options.env },
    workerData: { bundle: pathToFileURL(options.bundle).href, timeoutMs },
    // Without this process's loader for TypeScript, which would only slow the function down.
    execArgv: [],
  });
  const waiting = new Map<string, Waiting>();
  let ended: FunctionError | undefined;
  /** Removes a call, so that nothing else settles it. Undefined if it is settled already. */
  const take = (id: string): Waiting | undefined => {
    const call = waiting.get(id);
    clearTimeout(call?.timer);
    waiting.delete(id);
    return call;
  };
  worker.on("message", forwardLines(options.onLine));
  worker.on("message", (message: Message) => {
    if (!("id" in message)) return;
    const problem = message.error ?? tooLarge(message.result);
    if (problem !== undefined) {
      // As Lambda's runtime does: the caller gets no reason, so the log must have it.
      const stack = JSON.stringify({ stack: problem.split("\n") });
      options.onLine(`${new Date().toISOString()}\t${message.id}\tERROR\tInvoke Error\t${stack}`);
      take(message.id)?.reject(new FunctionError(problem));
    } else take(message.id)?.resolve(message.result === undefined ? undefined : JSON.parse(message.result));
  });
  worker.on("exit", (status) => {
    ended = new FunctionError(`The function ${options.name} has ended, with status ${status}.`);
    for (const id of waiting.keys()) take(id)?.reject(ended);
    options.onEnd?.();
  });
  await initialised(worker, options.name);
  // Only logs the error: "exit" follows, and rejects the calls.
  worker.on("error", (error) => {
    options.onLine(String(error));
  });
  const ask = (question: (id: string) => object): Promise<unknown> => {
    if (ended !== undefined) return Promise.reject(ended);
    const id = randomUUID();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const problem = `${id} Task timed out after ${(timeoutMs / 1000).toFixed(2)} seconds`;
        options.onLine(`${new Date().toISOString()} ${problem}`);
        take(id)?.reject(new FunctionError(problem));
      }, timeoutMs);
      waiting.set(id, { resolve, reject, timer });
      worker.postMessage({ id, ...question(id) });
    });
  };
  return {
    invoke: (event) => ask((id) => ({ event, context: context(options, id) })),
    heapBytes: () => ask(() => ({ measureHeap: true })),
    close: async () => {
      await worker.terminate();
    },
  };
}

async function initialised(worker: Worker, name: string): Promise<void> {
  const fail = (detail: string) => new FunctionError(`The function ${name} did not start: ${detail}`);
  const outcome = await new Promise<FunctionError | undefined>((resolve) => {
    worker.on("message", (message: Message) => {
      if ("ready" in message) resolve(undefined);
      if ("initError" in message) resolve(fail(message.initError));
    });
    worker.once("error", (error) => {
      resolve(fail(String(error)));
    });
    worker.once("exit", (status) => {
      resolve(fail(`it ended with status ${status}`));
    });
  });
  if (outcome === undefined) return;
  await worker.terminate();
  throw outcome;
}

function forwardLines(onLine: (line: string) => void): (message: Message) => void {
  let partial = "";
  return (message) => {
    if (!("output" in message)) return;
    const lines = (partial + message.output).split("\n");
    partial = lines.pop() ?? "";
    lines.forEach((line) => {
      onLine(line);
    });
  };
}

/** https://docs.aws.amazon.com/lambda/latest/dg/nodejs-context.html */
function context({ name }: LambdaOptions, awsRequestId: string) {
  return {
    functionName: name,
    functionVersion: "$LATEST",
    invokedFunctionArn: `arn:aws:lambda:us-east-1:111122223333:function:${name}`,
    memoryLimitInMB: "256",
    awsRequestId,
    logGroupName: `/aws/lambda/${name}`,
    logStreamName: "local",
  };
}
