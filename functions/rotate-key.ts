// Secrets Manager's rotation function. It needs, on the secrets of grants.yml alone: secretsmanager:DescribeSecret,
// GetSecretValue, PutSecretValue, UpdateSecretVersionStage; kms:Decrypt and kms:GenerateDataKey on their key, by way of
// Secrets Manager. Secrets Manager (secretsmanager.amazonaws.com, with aws:SourceAccount) may invoke it.
// Environment: contract §5. SIGNING_KEY_* as the vending function has them, since they say how long a key is in use.
// Time-out: 120 s. Metric: RotationFailed (by service_account, where it is known).
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";

import policy from "../grants.yml";
import { jsonLog, writeLinesTo } from "../lib/audit/log.ts";
import { readConfiguration } from "../lib/configuration.ts";
import { graceMs } from "../lib/key-lifecycle/grace.ts";
import { createRotationHandler } from "../lib/rotation/handler.ts";
import { openSecretsManager } from "../lib/key-lifecycle/secrets-manager.ts";
import { openKeysOver } from "../lib/key-lifecycle/account-key.ts";
import { platformConnection } from "../lib/voximplant/platform-connection.ts";

const configuration = readConfiguration(process.env);
const connection = platformConnection(configuration.voximplantApiUrl);
const writeLine = writeLinesTo(process.stdout);

export const handler = createRotationHandler({
  policy,
  store: openSecretsManager(new SecretsManagerClient()),
  openKey: openKeysOver(connection),
  writeLine,
  log: jsonLog(writeLine, connection.now),
  now: connection.now,
  sleep: connection.sleep,
  graceMs: graceMs(configuration),
});
