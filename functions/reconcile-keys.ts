// Compares the keys that Voximplant lists with what the secrets hold. Run by a schedule (15 minutes), and by hand through
// `voxtoken admin keys | rotate --revoke` (lambda:InvokeFunction). It needs, on the secrets of grants.yml alone:
// secretsmanager:DescribeSecret, GetSecretValue, TagResource (the tag voximplant-token-vendor:roles and no other); kms:Decrypt on
// their key, by way of Secrets Manager. Environment: contract §5. SIGNING_KEY_* as the vending function has them. Time-out: 120 s.
// Metrics: UnknownKeys, OrphanKeys, KeysRetired, RolesChanged, CurrentKeyMissing, ReconciliationFailed: alarm on the first and
// the last three.
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";

import policy from "../grants.yml";
import { jsonLog, writeLinesTo } from "../lib/audit/log.ts";
import { readConfiguration } from "../lib/configuration.ts";
import { createReconciliationHandler } from "../lib/reconciliation/handler.ts";
import { graceMs } from "../lib/key-lifecycle/grace.ts";
import { openSecretsManager } from "../lib/key-lifecycle/secrets-manager.ts";
import { openKeysOver } from "../lib/key-lifecycle/account-key.ts";
import { platformConnection } from "../lib/voximplant/platform-connection.ts";

const configuration = readConfiguration(process.env);
const connection = platformConnection(configuration.voximplantApiUrl);
const writeLine = writeLinesTo(process.stdout);

export const handler = createReconciliationHandler({
  policy,
  store: openSecretsManager(new SecretsManagerClient()),
  openKey: openKeysOver(connection),
  writeLine,
  log: jsonLog(writeLine, connection.now),
  now: connection.now,
  graceMs: graceMs(configuration),
});
