import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { billingWorker, restEvent } from "../test/fakes/events.ts";
import type { Measured } from "./rows.ts";
import { keyFile } from "./secret.ts";
import { ratio } from "./statistics.ts";

/** What one call costs in a warm process, beside a signature and beside the peers. */
export async function measureCalls(options: {
  readonly node: string;
  readonly bundle: string;
  readonly env: Readonly<Record<string, string>>;
  readonly rounds: number;
}): Promise<Measured> {
  const { node, bundle, env, rounds } = options;
  const granted = restEvent();
  const refused = restEvent({ userArn: billingWorker.replace("billing-worker", "intern") });
  const settings = { bundle, keyFile, granted, refused, rounds, calls: 20 };
  const worker = fork(join(import.meta.dirname, "worker.mjs"), [JSON.stringify(settings)], {
    execPath: node,
    env,
    execArgv: [],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const [times] = (await once(worker, "message")) as [Record<string, number[]>];
  const over = (baseline: string) => (kind: string) => ratio(times[kind] ?? [], times[baseline] ?? []);
  const overSign = over("sign");
  return {
    vend: overSign("vend"),
    vendOverJose: over("jose")("vend"),
    refuse: overSign("refuse"),
    keyObject: overSign("keyObject"),
    pem: overSign("pem"),
    signJwt: overSign("signJwt"),
    official: overSign("official"),
    fetchEach: overSign("fetchEach"),
  };
}
