/**
 * Lambda's runtime in a worker thread: loads the bundle, then calls its handler for each event.
 * This file is JavaScript, because a worker cannot load TypeScript on Node 20.
 */
import { Buffer } from "node:buffer";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parentPort, workerData } from "node:worker_threads";

// Output uses the same port as the answers, so that a line arrives before the answer of the call
// that wrote it.
for (const stream of [process.stdout, process.stderr]) {
  stream.write = (chunk, encodingOrCallback, callback) => {
    parentPort.postMessage({ output: typeof chunk === "string" ? chunk : Buffer.from(chunk).toString() });
    const written = typeof encodingOrCallback === "function" ? encodingOrCallback : callback;
    written?.();
    return true;
  };
}

const loaded = import(workerData.bundle);

/** Bytes of this thread's heap that are in use after a garbage collection. */
function heapBytes() {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  return process.memoryUsage().heapUsed;
}

parentPort.on("message", async ({ id, measureHeap, event, context }) => {
  if (measureHeap) {
    parentPort.postMessage({ id, result: JSON.stringify(heapBytes()) });
    return;
  }
  const deadline = Date.now() + workerData.timeoutMs;
  try {
    const { handler } = await loaded;
    const result = await handler(event, {
      ...context,
      callbackWaitsForEmptyEventLoop: true,
      getRemainingTimeInMillis: () => deadline - Date.now(),
    });
    // Lambda returns JSON, so values that JSON cannot represent are lost here too.
    parentPort.postMessage({ id, result: JSON.stringify(result) });
  } catch (error) {
    parentPort.postMessage({
      id,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }
});

try {
  const { handler } = await loaded;
  if (typeof handler !== "function") throw new Error("The bundle exports no function named handler.");
  parentPort.postMessage({ ready: true });
} catch (error) {
  parentPort.postMessage({
    initError: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
}
