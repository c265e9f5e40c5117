import { randomUUID } from "node:crypto";

import policy from "../grants.yml";
import { jsonLog, writeLinesTo } from "../lib/audit/log.ts";
import { createCallHandler } from "../lib/call.ts";
import { readConfiguration } from "../lib/configuration.ts";
import { indexGrants } from "../lib/grants/authorize.ts";
import { serviceAccountsFor } from "../lib/grants/policy.ts";
import { fetchFromSecretsManager } from "../lib/keys/fetch-secret.ts";
import { holdSigningKeys } from "../lib/keys/signing-keys.ts";
import { warmUp } from "../lib/keys/warm-up.ts";
import { platformConnection } from "../lib/voximplant/connection.ts";

const configuration = readConfiguration(process.env);
const now = Date.now;
const writeLine = writeLinesTo(process.stdout);
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
  serviceAccountsFor("calls", policy).map(({ secret }) => secret),
  (detail) => {
    log("warn", `a key was not fetched at start; ${detail}`);
  },
);

export const handler = createCallHandler({
  grants: indexGrants(policy),
  getSigningKey,
  platform: platformConnection(configuration.voximplantApiUrl),
  writeAudit: writeLine,
  log,
  basePath: configuration.basePath,
  deployment: configuration.deployment,
  now,
  newId: randomUUID,
});
