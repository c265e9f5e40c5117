import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Policy } from "../../lib/grants/policy.ts";
import { bundleFunctions } from "../../scripts/bundle.ts";
import { type LambdaFunction, startFunction } from "./function.ts";

export interface Functions {
  /** Starts a function, unless it runs already. @throws FunctionError its init failed. */
  start(name: string): Promise<LambdaFunction>;
  /** Calls a function, and starts it if it does not run yet. @throws FunctionError */
  invoke(name: string, event: object): Promise<unknown>;
  /** Ends a function if it runs. The next call starts it anew. */
  kill(name: string): Promise<void>;
  /** A function's used heap. Starts the function if it does not run yet. @throws FunctionError */
  heapBytes(name: string): Promise<number>;
  close(): Promise<void>;
}

/** The time-outs of infra/deployment.ts. In serverless.yml, vend-token has 10 s, the default. */
export const TIMEOUTS_MS: Readonly<Record<string, number>> = {
  "call-method": 35_000,
  "rotate-key": 180_000,
  "reconcile-keys": 600_000,
};

/** Builds all functions of functions/ in one temporary folder, which `close` deletes. */
export async function buildFunctions(
  policy: Policy,
  options: {
    /** Read when a function starts. */
    readonly env: Readonly<Record<string, string>>;
    readonly onLine: (line: string) => void;
  },
): Promise<Functions> {
  const folder = await mkdtemp(join(tmpdir(), "voximplant-token-vendor-"));
  await bundleFunctions(policy, folder);
  const running = new Map<string, Promise<LambdaFunction>>();
  const start = (name: string): Promise<LambdaFunction> => {
    const bundle = join(folder, name, "index.mjs");
    // Like Lambda, which starts a new process after one has ended.
    const onEnd = () => running.delete(name);
    const timeoutMs = TIMEOUTS_MS[name];
    const one =
      running.get(name) ??
      startFunction({ name, bundle, onEnd, ...options, ...(timeoutMs !== undefined && { timeoutMs }) });
    running.set(name, one);
    return one;
  };
  return {
    start,
    invoke: async (name, event) => {
      const one = await start(name).catch((error: unknown) => {
        options.onLine(String(error));
        throw error;
      });
      return one.invoke(event);
    },
    kill: async (name) => {
      // A function whose init failed has ended already.
      const one = await running.get(name)?.catch(() => undefined);
      await one?.close();
    },
    heapBytes: async (name) => Number(await (await start(name)).heapBytes()),
    close: async () => {
      // A function whose init failed has ended already.
      for (const one of await Promise.allSettled(running.values())) {
        if (one.status === "fulfilled") await one.value.close();
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}
