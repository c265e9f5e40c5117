/**
 * What a token costs, as a multiple of two lower bounds: one RSA signature with the same key, and
 * the start of a bare Node. Both sides of a ratio are taken in turns within this one run, so that a
 * busy machine slows both.
 *
 *   npm run bench
 */
import { fork, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";

import { generate } from "selfsigned";

import { bundleFunctions } from "../scripts/bundle.ts";
import { loadPolicy } from "../scripts/load-policy.ts";
import { billingWorker, restEvent } from "../test/fakes/events.ts";
import { benchGrants } from "./grants.ts";

const root = resolve(import.meta.dirname, "..");
const { privateKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});
const keyFile = {
  account_email: "telephony@example.com",
  account_id: 1234567,
  key_id: "00000000-0000-4000-8000-000000000001",
  private_key: privateKey,
};
const granted = restEvent();
const refused = restEvent({ userArn: billingWorker.replace("billing-worker", "intern") });

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
/**
 * The median of the ratios of neighbours, rather than the ratio of medians: both runs of a pair met
 * the same load.
 */
const ratio = (values: number[], baseline: number[]) =>
  median(values.map((value, round) => value / (baseline[round] ?? NaN)));

const out = mkdtempSync(join(tmpdir(), "bench-"));
await bundleFunctions(await loadPolicy(join(root, "local", "grants.yml")), out);
const bundle = join(out, "vend-token", "index.mjs");

const secretsManager = await startHttpsSecret(JSON.stringify(keyFile));
const environment = {
  AWS_REGION: "us-east-1",
  AWS_ACCESS_KEY_ID: "AKIAEXAMPLE",
  AWS_SECRET_ACCESS_KEY: "example",
  AWS_ENDPOINT_URL_SECRETS_MANAGER: secretsManager.url,
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  // The certificate of the stand-in is made for this run.
  NODE_TLS_REJECT_UNAUTHORIZED: "0",
  NODE_NO_WARNINGS: "1",
};

console.log(`Node ${process.version}, RSA-2048; a lower ratio is better\n`);
const calls = await measureCalls();
const starts = await measureStarts();
row("a token, warm", ratio(calls.vend, calls.sign), 1.5, "crypto.sign");
row("a refusal, warm", ratio(calls.refuse, calls.sign), 0.02, "crypto.sign");
row("process start to first token", ratio(starts.firstToken, starts.bare), 2.4, "node -e 0");
for (const { policy, aim, granted, refused, buildMilliseconds } of benchGrants()) {
  row(`a decision, ${policy}`, Math.max(granted, refused), aim, "crypto.sign");
  console.log(`${`  its index, built once`.padEnd(44)}${buildMilliseconds.toFixed(0).padStart(8)} ms`);
}
const size = gzipSync(readFileSync(bundle), { level: 9 }).length / 1024;
console.log(`${"the bundle, gzipped".padEnd(44)}${size.toFixed(1).padStart(8)} KB          aim 90`);

await secretsManager.close();
rmSync(out, { recursive: true });

function row(what: string, measured: number, aim: number, baseline: string) {
  console.log(`${what.padEnd(44)}${measured.toFixed(3).padStart(8)} × ${baseline.padEnd(12)}aim ${aim}`);
}

async function measureCalls(): Promise<Record<"sign" | "vend" | "refuse", number[]>> {
  const options = { bundle, privateKey: keyFile.private_key, granted, refused, rounds: 41, calls: 50 };
  const worker = fork(join(import.meta.dirname, "worker.mjs"), [JSON.stringify(options)], {
    env: environment,
    execArgv: [],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const [message] = (await once(worker, "message")) as [Record<"sign" | "vend" | "refuse", number[]>];
  return message;
}

/** The stand-in answers from this process, so the children must not be waited for synchronously. */
async function measureStarts(): Promise<{ bare: number[]; firstToken: number[] }> {
  const bare: number[] = [];
  const firstToken: number[] = [];
  for (let round = 0; round < 21; round++) {
    bare.push(await timeNode(["-e", "0"]));
    firstToken.push(
      await timeNode([join(import.meta.dirname, "first-token.mjs"), bundle, JSON.stringify(granted)]),
    );
  }
  return { bare, firstToken };
}

async function timeNode(args: string[]): Promise<number> {
  const start = performance.now();
  const child = spawn(process.execPath, args, { env: environment, stdio: ["ignore", "ignore", "inherit"] });
  const [status] = (await once(child, "exit")) as [number];
  if (status !== 0) throw new Error(`node ${args.join(" ").slice(0, 80)} ended with ${status}`);
  return performance.now() - start;
}

/** A GetSecretValue that always gives the same, over TLS as in the cloud. */
async function startHttpsSecret(value: string): Promise<{ url: string; close: () => Promise<void> }> {
  const { private: key, cert } = await generate([{ name: "commonName", value: "localhost" }]);
  const server = createServer({ key, cert }, (request, response) => {
    request.resume().on("end", () => {
      response.writeHead(200, { "Content-Type": "application/x-amz-json-1.1" });
      response.end(
        JSON.stringify({ SecretString: value, VersionId: "3c0a5c1e-0000-4000-8000-000000000000" }),
      );
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
