import { generateKeyPairSync, randomUUID } from "node:crypto";

import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";

import type { Policy } from "../../lib/grants/policy.ts";
import { parseCredentials } from "../../lib/keys/credentials-file.ts";
import { importSigningKey } from "../../lib/keys/signing-key.ts";
import { graceMs } from "../../lib/key-lifecycle/grace.ts";
import { openSecretsManager } from "../../lib/key-lifecycle/secrets-manager.ts";
import { secretReader } from "../../lib/key-lifecycle/snapshot.ts";
import { openKeysOver } from "../../lib/key-lifecycle/account-key.ts";
import type { SecretStore } from "../../lib/key-lifecycle/secret-store.ts";
import { tokenClaims } from "../../lib/token/claims.ts";
import { mintToken } from "../../lib/token/mint.ts";
import type { Connection } from "../../lib/voximplant/call.ts";
import { openManagementApi } from "../../lib/voximplant/methods.ts";
import type { FaultInjector } from "../../local/fault.ts";
import type { RotationEvent } from "../../local/secrets-manager/state.ts";
import { startSecretsManager } from "../../local/secrets-manager/server.ts";
import { type ManagementApiOptions, startManagementApi } from "../../local/voximplant/server.ts";

export const ACCOUNT = 1234567;
export const SECRET = "voximplant/outbound-calls";
export const LIFETIMES = { signingKeyTtlSeconds: 300, signingKeyMaxStaleSeconds: 3600 };
export const GRACE_MS = graceMs(LIFETIMES);

/** Made once: a key takes longer to make than everything else in a test. */
const pool = Array.from({ length: 8 }, () => rsaKey());

export function rsaKey(bits = 2048): string {
  return generateKeyPairSync("rsa", { modulusLength: bits })
    .privateKey.export({ type: "pkcs8", format: "pem" })
    .toString();
}

export function credentialsFile(keyId: string, pem: string, accountId = ACCOUNT): string {
  return JSON.stringify({
    account_email: "ops@example.com",
    account_id: accountId,
    key_id: keyId,
    private_key: pem,
  });
}

export function policyFor(
  accounts: Readonly<Record<string, Partial<Policy["serviceAccounts"][number]>>> = { "outbound-calls": {} },
): Policy {
  return {
    serviceAccounts: Object.entries(accounts).map(([name, settings]) => ({
      name,
      secret: `voximplant/${name}`,
      maxTtlSeconds: 900,
      claims: "standard",
      unmanagedKeys: [],
      unknownKeys: "report",
      ...settings,
    })),
    grants: [],
  };
}

/** Thrown into a process that is to die at this remote call. */
export class Killed extends Error {}

export interface WorldOptions extends Partial<ManagementApiOptions> {
  /** Service accounts that have a key in their secret; each of the one account. */
  readonly serviceAccounts?: readonly string[];
  /** Service accounts whose secret is there, without a value. */
  readonly emptySecrets?: readonly string[];
  readonly secretsFault?: FaultInjector;
  readonly rotate?: (event: RotationEvent) => Promise<void>;
}

/**
 * Both stand-ins, over HTTP, behind the real adapters and a clock that stands still. `remote` is called around every
 * remote call of the code under test, and may throw {@link Killed}.
 */
export async function startWorld(options: WorldOptions = {}) {
  const { serviceAccounts = ["outbound-calls"], emptySecrets = [], ...platformOptions } = options;
  const clock = { now: Date.UTC(2026, 10, 24, 12) };
  let nextKey = serviceAccounts.length;
  const now = () => new Date(clock.now);
  const first = serviceAccounts.map((name, index) => ({
    name,
    keyId: randomUUID(),
    pem: pool[index] ?? rsaKey(),
  }));
  const platform = await startManagementApi({
    accounts: [{ accountId: ACCOUNT, apiKey: "deprecated-api-key" }, { accountId: 7654321 }],
    keys: first.map(({ keyId, pem }) => ({
      accountId: ACCOUNT,
      keyId,
      pem,
      name: "made by hand",
      roles: ["Developer", "Support"],
    })),
    rules: first.slice(0, 1).map(({ keyId }) => ({
      ruleId: 1,
      accountId: ACCOUNT,
      applicationId: 7,
      name: "in",
      pattern: ".*",
      bindKeyId: keyId,
    })),
    makePrivateKey: () => Promise.resolve(pool[nextKey++ % pool.length] ?? rsaKey()),
    now,
    ...platformOptions,
  });
  const secrets = await startSecretsManager({
    now,
    secrets: Object.fromEntries(
      first.map(({ name, keyId, pem }) => [`voximplant/${name}`, credentialsFile(keyId, pem)]),
    ),
    ...(options.secretsFault && { fault: options.secretsFault }),
    ...(options.rotate && { rotate: options.rotate }),
  });

  const sleep = (milliseconds: number) => {
    clock.now += milliseconds;
    return Promise.resolve();
  };
  const remote = { around: async <T>(call: () => Promise<T>): Promise<T> => call() };
  const connection = {
    url: platform.apiUrl,
    fetch: (input, init) => remote.around(() => fetch(input, init)),
    now: () => clock.now,
    sleep,
    random: () => 0,
  } satisfies Connection;
  const client = new SecretsManagerClient({
    endpoint: secrets.url,
    region: "us-east-1",
    credentials: { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "example" },
    maxAttempts: 1,
  });
  for (const name of emptySecrets) await client.send(new CreateSecretCommand({ Name: `voximplant/${name}` }));
  const direct = openSecretsManager(client);
  const store: SecretStore = {
    describe: (...args) => remote.around(() => direct.describe(...args)),
    listVersions: (...args) => remote.around(() => direct.listVersions(...args)),
    readVersion: (...args) => remote.around(() => direct.readVersion(...args)),
    readCurrent: (...args) => remote.around(() => direct.readCurrent(...args)),
    putVersion: (...args) => remote.around(() => direct.putVersion(...args)),
    moveStage: (...args) => remote.around(() => direct.moveStage(...args)),
    tag: (...args) => remote.around(() => direct.tag(...args)),
  };
  const logged: { level: string; message: string }[] = [];
  const ports = {
    store,
    readSecret: secretReader(store),
    newId: randomUUID,
    openKey: openKeysOver(connection),
    log: (level: string, message: string) => void logged.push({ level, message }),
    now: () => clock.now,
    sleep,
    graceMs: GRACE_MS,
  };

  const secret = (name = "outbound-calls") => {
    const found = secrets.secrets.get(`voximplant/${name}`);
    if (found === undefined) throw new Error(`no secret ${name}`);
    return found;
  };
  const credentialsWith = (stage: string, name?: string) => {
    const version = [...secret(name).versions.values()].find(({ stages }) => stages.has(stage));
    const content = version?.content;
    return content && "SecretString" in content ? parseCredentials(content.SecretString) : undefined;
  };
  return {
    clock,
    platform,
    secrets,
    client,
    connection,
    ports,
    remote,
    logged,
    secret,
    /** The key that a version with this label holds. */
    keyWith: (stage: string, name?: string) => credentialsWith(stage, name)?.keyId,
    /** What Secrets Manager does first: an empty version, labelled AWSPENDING. */
    stagePending(versionId: string = randomUUID(), name?: string): RotationEvent[] {
      const target = secret(name);
      for (const { stages } of target.versions.values()) stages.delete("AWSPENDING");
      target.versions.set(versionId, {
        id: versionId,
        createdDate: clock.now / 1000,
        stages: new Set(["AWSPENDING"]),
      });
      target.rotation ??= {
        enabled: true,
        lambdaArn: "arn:aws:lambda:us-east-1:111122223333:function:rotate",
        rules: {},
      };
      return (["createSecret", "setSecret", "testSecret", "finishSecret"] as const).map((Step) => ({
        Step,
        SecretId: target.arn,
        ClientRequestToken: versionId,
      }));
    },
    /** A token as the vending function makes it from what is current, tried on the platform. */
    async useCurrentKey(name?: string) {
      const credentials = credentialsWith("AWSCURRENT", name);
      if (credentials === undefined) throw new Error("no current version");
      const key = await importSigningKey(credentials);
      const token = await mintToken(tokenClaims(key.accountId, 300, clock.now), key);
      return openManagementApi({ ...connection, fetch }, () => ({ token })).getAccountInfo();
    },
    async close() {
      client.destroy();
      await Promise.all([platform.close(), secrets.close()]);
    },
  };
}

export type World = Awaited<ReturnType<typeof startWorld>>;

/** What an operator's shell exports, so that the CLI talks to this world. */
export function operatorEnv({ secrets, platform }: World): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: "AKIAEXAMPLE",
    AWS_SECRET_ACCESS_KEY: "example",
    AWS_REGION: "us-east-1",
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url,
    VOXIMPLANT_API_URL: platform.apiUrl,
  };
}

/** A grants file with the service account `outbound-calls`; its path. */
export async function writeGrants(folder: string): Promise<string> {
  const file = join(folder, "grants.yml");
  await writeFile(
    file,
    "serviceAccounts:\n  outbound-calls:\n    secret: voximplant/outbound-calls\ngrants: []\n",
  );
  return file;
}
