// Secrets Manager's rotation function.
//
// Permissions, on the secrets of grants.yml alone: secretsmanager:DescribeSecret, GetSecretValue,
// ListSecretVersionIds, PutSecretValue, UpdateSecretVersionStage. Through Secrets Manager:
// kms:Decrypt and kms:GenerateDataKey on the secrets' KMS key, and kms:Encrypt and
// kms:GenerateDataKey on the KMS keys of replica regions. Secrets Manager
// (secretsmanager.amazonaws.com, with aws:SourceAccount) may invoke it.
//
// Environment: SIGNING_KEY_*, with the values of the vending function, to compute the grace;
// VOXIMPLANT_API_URL. Time-out: 180 s.
import policy from "../grants.yml";
import { jsonLog, writeLinesTo } from "../lib/audit/log.ts";
import { readConfiguration } from "../lib/configuration.ts";
import { openKeysOver } from "../lib/key-lifecycle/account-key.ts";
import { graceMs } from "../lib/key-lifecycle/grace.ts";
import { boundedClient, openSecretsManager } from "../lib/key-lifecycle/secrets-manager.ts";
import { secretReader } from "../lib/key-lifecycle/snapshot.ts";
import { createRotationHandler } from "../lib/rotation/handler.ts";
import { platformConnection } from "../lib/voximplant/connection.ts";

const configuration = readConfiguration(process.env);
const connection = platformConnection(configuration.voximplantApiUrl);
const writeLine = writeLinesTo(process.stdout);
const store = openSecretsManager(boundedClient());

export const handler = createRotationHandler({
  policy,
  store,
  readSecret: secretReader(store),
  openKey: openKeysOver(connection),
  writeLine,
  deployment: configuration.deployment,
  log: jsonLog(writeLine, connection.now),
  now: connection.now,
  sleep: connection.sleep,
  graceMs: graceMs(configuration),
});
