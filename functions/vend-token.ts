import { randomUUID } from "node:crypto";

import policy from "../grants.yml";
import { jsonLog } from "../lib/audit/log.ts";
import { readConfiguration } from "../lib/configuration.ts";
import { indexGrants } from "../lib/grants/authorize.ts";
import { fetchFromSecretsManager } from "../lib/keys/fetch-secret.ts";
import { holdSigningKeys } from "../lib/keys/signing-keys.ts";
import { warmUp } from "../lib/keys/warm-up.ts";
import { createVendHandler } from "../lib/vend.ts";

const configuration = readConfiguration(process.env);
const now = Date.now;

// Straight to stdout: Lambda's console would add to the line, and could filter it by level. Pipes and files are written
// synchronously, and a failure is known at once (https://nodejs.org/api/process.html#a-note-on-process-io).
const writeLine = (line: string) => {
  process.stdout.write(`${line}\n`);
  if (process.stdout.errored) throw process.stdout.errored;
};
const log = jsonLog(writeLine, now);

const getSigningKey = holdSigningKeys({
  fetchSecret: fetchFromSecretsManager(),
  ttlSeconds: configuration.signingKeyTtlSeconds,
  maxStaleSeconds: configuration.signingKeyMaxStaleSeconds,
  now,
  random: Math.random,
});

await warmUp(
  getSigningKey,
  policy.serviceAccounts.map(({ secret }) => secret),
  (detail) => {
    log("warn", `no key fetched ahead; ${detail}`);
  },
);

export const handler = createVendHandler({
  grants: indexGrants(policy),
  getSigningKey,
  writeAudit: writeLine,
  log,
  now,
  newId: randomUUID,
});
