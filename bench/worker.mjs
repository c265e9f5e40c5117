// Forked by run.ts, with its output thrown away: measures in-process, one round of each kind after
// the other, so that whatever else the machine does hits all of them alike. Reports milliseconds
// for one call of each, round by round.
import { createPrivateKey, sign } from "node:crypto";
import { performance } from "node:perf_hooks";

const { bundle, privateKey, granted, refused, rounds, calls } = JSON.parse(process.argv[2]);
const { handler } = await import(bundle);
const key = createPrivateKey(privateKey);
const context = { awsRequestId: "bench" };
// As long as the signed part of a vended token.
const message = Buffer.alloc(360, "x");

const kinds = {
  sign: () => sign("RSA-SHA256", message, key),
  vend: () => handler(granted, context),
  refuse: () => handler(refused, context),
};

const [vended, denied] = [await kinds.vend(), await kinds.refuse()];
if (vended.statusCode !== 200 || denied.statusCode !== 403) throw new Error(`${vended.body} ${denied.body}`);

const perCall = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, []]));
for (let round = 0; round < rounds; round++) {
  for (const [kind, run] of Object.entries(kinds)) {
    const start = performance.now();
    for (let call = 0; call < calls; call++) await run();
    perCall[kind].push((performance.now() - start) / calls);
  }
}
process.send(perCall);
