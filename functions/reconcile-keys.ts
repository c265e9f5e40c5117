// Compares the keys that Voximplant lists with the keys in the secrets. Runs on a schedule, and by
// hand through `voxtoken admin keys | revoke | rollback` (lambda:InvokeFunction).
//
// Permissions, on the secrets of grants.yml alone: secretsmanager:DescribeSecret, GetSecretValue,
// ListSecretVersionIds; PutSecretValue and UpdateSecretVersionStage, to revoke and roll back;
// TagResource (only tags that begin with voximplant-token-vendor:). Through Secrets Manager:
// kms:Decrypt and kms:GenerateDataKey on the secrets' KMS key, and kms:Encrypt and
// kms:GenerateDataKey on the KMS keys of replica regions. On the functions that hold keys
// (vend-token, and call-method if a grant has methods): lambda:GetFunctionConfiguration and
// UpdateFunctionConfiguration, so that their containers forget a revoked key.
// Environment: SIGNING_KEY_* as in the vending function; VOXIMPLANT_API_URL; REPLICA_REGIONS, the
// regions that must have a replica of each secret. Time-out: 600 s, for a revocation.
import { randomUUID } from "node:crypto";

import policy from "../grants.yml";
import { jsonLog, writeLinesTo } from "../lib/audit/log.ts";
import { LOCAL, readConfiguration } from "../lib/configuration.ts";
import { readVariable } from "../lib/environment.ts";
import { openKeysOver } from "../lib/key-lifecycle/account-key.ts";
import { graceMs } from "../lib/key-lifecycle/grace.ts";
import { boundedClient, openSecretsManager } from "../lib/key-lifecycle/secrets-manager.ts";
import { secretReader } from "../lib/key-lifecycle/snapshot.ts";
import { forgetKeys, functionsThatHoldKeys } from "../lib/reconciliation/forget-keys.ts";
import { createReconciliationHandler } from "../lib/reconciliation/handler.ts";
import { platformConnection } from "../lib/voximplant/connection.ts";

const configuration = readConfiguration(process.env);
// Short, because a revocation calls the platform with several keys. A platform that hangs must not
// use up the time of the revocation.
const connection = { ...platformConnection(configuration.voximplantApiUrl), deadlineMs: 20_000 };
const writeLine = writeLinesTo(process.stdout);
const store = openSecretsManager(boundedClient());

const { deployment } = configuration;
const region = readVariable(process.env, "AWS_REGION") ?? "";

export const handler = createReconciliationHandler({
  policy,
  store,
  readSecret: secretReader(store),
  openKey: openKeysOver(connection),
  writeLine,
  deployment,
  log: jsonLog(writeLine, connection.now),
  now: connection.now,
  sleep: connection.sleep,
  newId: randomUUID,
  graceMs: graceMs(configuration),
  replicaRegions: configuration.replicaRegions,
  // Outside Lambda there are no containers that hold a key.
  ...(deployment !== LOCAL && {
    forgetKeys: (replicas) =>
      forgetKeys(functionsThatHoldKeys(policy, deployment), [region, ...replicas], connection.now()),
  }),
});
