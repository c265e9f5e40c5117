import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import type { HttpHandler } from "@smithy/core/protocols";

import type { Policy } from "../../lib/grants/policy.ts";
import { parseCredentials } from "../../lib/keys/credentials-file.ts";
import { importSigningKey } from "../../lib/keys/signing-key.ts";
import { graceMs } from "../../lib/key-lifecycle/grace.ts";
import { openSecretsManager } from "../../lib/key-lifecycle/secrets-manager.ts";
import { dropPending, storeCurrent } from "../../lib/key-lifecycle/store-current.ts";
import { secretReader } from "../../lib/key-lifecycle/snapshot.ts";
import { openKeysOver } from "../../lib/key-lifecycle/account-key.ts";
import { tokenClaims } from "../../lib/token/claims.ts";
import { mintToken } from "../../lib/token/mint.ts";
import type { Connection } from "../../lib/voximplant/connection.ts";
import { openManagementApi } from "../../lib/voximplant/methods.ts";
import type { FaultInjector } from "../../local/fault.ts";
import { createSecretsManager, type SecretsManagerOptions } from "../../local/secrets-manager/in-process.ts";
import type { RotationEvent } from "../../local/secrets-manager/state.ts";
import { startSecretsManager } from "../../local/secrets-manager/server.ts";
import { createManagementApi, type ManagementApiOptions } from "../../local/voximplant/in-process.ts";
import { startManagementApi } from "../../local/voximplant/server.ts";
import { fakeIo } from "../fakes/io.ts";
import { openDirectStore, openKeysCheaply } from "./direct-store.ts";
import { worldPem } from "../fakes/rsa-keys.ts";
import { runVoxtoken } from "../fakes/voxtoken.ts";

export const ACCOUNT = 1234567;
export const SECRET = "voximplant/outbound-calls";
export const LIFETIMES = { signingKeyTtlSeconds: 300, signingKeyMaxStaleSeconds: 3600 };
export const GRACE_MS = graceMs(LIFETIMES);

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

/** How one process reaches the world. A test replaces these to delay, count or end its calls. */
export interface ProcessHooks {
  /** Called around every remote call of the process. */
  around: <T>(call: () => Promise<T>) => Promise<T>;
  sleep: (milliseconds: number) => Promise<void>;
  random: () => number;
}

export interface WorldOptions extends Partial<ManagementApiOptions> {
  /** Service accounts that have a key in their secret; each of the one account. */
  readonly serviceAccounts?: readonly string[];
  /** Service accounts whose secret is there, without a value. */
  readonly emptySecrets?: readonly string[];
  readonly secretsFault?: FaultInjector;
  readonly rotate?: (event: RotationEvent) => Promise<void>;
  /** What AWS does to labels, how far its reads lag, and replicas. */
  readonly secretsManager?: Pick<
    SecretsManagerOptions,
    | "pendingOnPromotion"
    | "pendingAfterRotation"
    | "pendingOnDemotion"
    | "otherPendingOnPut"
    | "readLagMs"
    | "replicaRegions"
  >;
  /** Without the AWS SDK: for many short runs. The operator's commands use it all the same. */
  readonly directStore?: boolean;
  /** Serves both stand-ins over HTTP too, for code that takes a URL: see {@link World.urls}. */
  readonly http?: boolean;
}

/**
 * Both stand-ins in this process, behind the real adapters and a clock that only `sleep` and the
 * test move. `remote` is called around every remote call of the code under test, and may throw
 * {@link Killed}.
 */
export async function startWorld(options: WorldOptions = {}) {
  const { serviceAccounts = ["outbound-calls"], emptySecrets = [], ...platformOptions } = options;
  const clock = { now: Date.UTC(2026, 10, 24, 12) };
  let nextKey = serviceAccounts.length;
  const now = () => new Date(clock.now);
  const first = serviceAccounts.map((name, index) => ({
    name,
    keyId: randomUUID(),
    pem: worldPem(index),
  }));
  /** What goes wrong from now on; a test sets and clears it. */
  const faults: { platform?: FaultInjector | undefined; secrets?: FaultInjector | undefined } = {
    platform: options.fault,
    secrets: options.secretsFault,
  };
  const platformSettings: ManagementApiOptions = {
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
    makePrivateKey: () => Promise.resolve(worldPem(nextKey++)),
    now,
    ...platformOptions,
    fault: (operation, n) => faults.platform?.(operation, n),
  };
  const secretsSettings: SecretsManagerOptions = {
    now,
    secrets: Object.fromEntries(
      first.map(({ name, keyId, pem }) => [`voximplant/${name}`, credentialsFile(keyId, pem)]),
    ),
    fault: (operation, n) => faults.secrets?.(operation, n),
    ...(options.rotate && { rotate: options.rotate }),
    ...options.secretsManager,
  };
  const servers =
    options.http === true
      ? await Promise.all([startManagementApi(platformSettings), startSecretsManager(secretsSettings)])
      : undefined;
  const platform = servers?.[0] ?? createManagementApi(platformSettings);
  const secrets = servers?.[1] ?? createSecretsManager(secretsSettings);

  const hooks = {
    /** Called after every remote call that took effect, by the name of the process. */
    afterCall: undefined as ((process: string) => void) | undefined,
  };

  /** Another process: its own connections and its own hooks, in the same world. */
  function openProcess(name: string) {
    const remote: ProcessHooks = {
      around: (call) => call(),
      sleep: (milliseconds) => {
        clock.now += milliseconds;
        return Promise.resolve();
      },
      random: () => 0,
    };
    const around = <T>(call: () => Promise<T>): Promise<T> =>
      remote.around(async () => {
        try {
          return await call();
        } finally {
          hooks.afterCall?.(name);
        }
      });
    const fetchHere: typeof fetch = (input, init) => around(() => platform.fetch(input, init));
    const requestHandler: HttpHandler = {
      ...secrets.requestHandler,
      handle: (request, handlerOptions) =>
        around(() => secrets.requestHandler.handle(request, handlerOptions)),
    };
    const sleep = (milliseconds: number) => remote.sleep(milliseconds);
    const connection = {
      url: platform.apiUrl,
      fetch: fetchHere,
      now: () => clock.now,
      sleep,
      random: () => remote.random(),
    } satisfies Connection;
    const awsClient = { requestHandler, maxAttempts: 1 };
    const client = new SecretsManagerClient({
      region: "us-east-1",
      credentials: { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "example" },
      ...awsClient,
    });
    const store =
      options.directStore === true ? openDirectStore(secrets, around) : openSecretsManager(client);
    const openKey = options.directStore === true ? openKeysCheaply(connection) : openKeysOver(connection);
    // A key is opened again and again, and the values of versions never change.
    const opened = new Map<string, ReturnType<typeof openKey>>();
    const logged: { level: string; message: string }[] = [];
    const ports = {
      store,
      readSecret: secretReader(store),
      newId: randomUUID,
      openKey: (file: string) => {
        const known = opened.get(file) ?? openKey(file);
        opened.set(file, known);
        return known;
      },
      log: (level: string, message: string) => void logged.push({ level, message }),
      now: () => clock.now,
      sleep,
      graceMs: GRACE_MS,
    };
    return { name, remote, connection, awsClient, client, ports, logged };
  }

  const { remote, connection, awsClient, client, ports, logged } = openProcess("main");
  for (const name of emptySecrets) await secrets.call("CreateSecret", { Name: `voximplant/${name}` });

  const secret = (name = "outbound-calls") => {
    const found = secrets.secrets.get(`voximplant/${name}`);
    if (found === undefined) throw new Error(`no secret ${name}`);
    return found;
  };
  const credentialsWith = (stage: string, name?: string) => {
    const version = [...secret(name).versions.values()].find(({ stages }) => stages.has(stage));
    const content = version?.content;
    try {
      return content && "SecretString" in content ? parseCredentials(content.SecretString) : undefined;
    } catch {
      // Something else than a key, which a test has put there.
      return undefined;
    }
  };
  return {
    clock,
    platform,
    secrets,
    faults,
    hooks,
    openProcess,
    removesPendingAfterRotation: options.secretsManager?.pendingAfterRotation === "removed",
    /** Where the stand-ins are served. @throws Error the world was started without `http`. */
    get urls() {
      if (servers === undefined) throw new Error("this world has no HTTP");
      return { platform: servers[0].apiUrl, secrets: servers[1].url };
    },
    client,
    awsClient,
    connection,
    ports,
    remote,
    logged,
    secret,
    /** The key that a version with this label holds. */
    keyWith: (stage: string, name?: string) => credentialsWith(stage, name)?.keyId,
    /** The credentials file with this key, from whichever version holds it. */
    fileWith(keyId: string): string | undefined {
      for (const { versions } of secrets.secrets.values()) {
        for (const { content } of versions.values()) {
          if (content && "SecretString" in content && content.SecretString.includes(keyId))
            return content.SecretString;
        }
      }
      return undefined;
    },
    /**
     * Somebody makes a key in the control panel, and puts it into the secret as an import does. Its
     * id.
     */
    async plantCurrent(name = "outbound-calls"): Promise<string> {
      const pem = worldPem(0);
      const roles = ["Developer", "Support"];
      const { keyId } = platform.addKey({ accountId: ACCOUNT, pem, name: "from the panel", roles });
      const process = openProcess("import");
      const secret = await process.ports.store.describe(`voximplant/${name}`);
      const versionId = randomUUID();
      await storeCurrent(
        process.ports.store,
        secret,
        { versionId, value: credentialsFile(keyId, pem) },
        process.ports,
      );
      await dropPending(process.ports.store, secret.arn, process.ports);
      return keyId;
    },
    /** RotateSecret: goes on with a version that is pending and not current, or else makes one. */
    startRotation(name?: string): RotationEvent[] {
      const pending = [...secret(name).versions.values()].find(({ stages }) => stages.has("AWSPENDING"));
      const isUnfinished = pending !== undefined && !pending.stages.has("AWSCURRENT");
      return this.stagePending(isUnfinished ? pending.id : randomUUID(), name);
    },
    /** What Secrets Manager does first: an empty version, labelled AWSPENDING. */
    stagePending(versionId: string = randomUUID(), name?: string): RotationEvent[] {
      const target = secret(name);
      for (const { stages } of target.versions.values()) stages.delete("AWSPENDING");
      const version = target.versions.get(versionId) ?? {
        id: versionId,
        createdDate: clock.now / 1000,
        stages: new Set<string>(),
      };
      version.stages.add("AWSPENDING");
      target.versions.set(versionId, version);
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
      const { fetch } = platform;
      return openManagementApi({ ...connection, fetch }, () => ({ token })).getAccountInfo();
    },
    async close() {
      client.destroy();
      await Promise.all((servers ?? []).map((server) => server.close()));
    },
  };
}

export type World = Awaited<ReturnType<typeof startWorld>>;

/**
 * What an operator's shell exports, so that the CLI talks to a world that was started with `http`.
 */
export function operatorEnv({ urls }: World): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: "AKIAEXAMPLE",
    AWS_SECRET_ACCESS_KEY: "example",
    AWS_REGION: "us-east-1",
    AWS_ENDPOINT_URL_SECRETS_MANAGER: urls.secrets,
    VOXIMPLANT_API_URL: urls.platform,
  };
}

/**
 * A process that runs one command line of `voxtoken admin`, without HTTP. Resolves to its exit
 * status and what it wrote.
 *
 * @param input what is piped in, or typed if stdin is a terminal
 */
export async function voxtokenIn(
  world: World,
  { ports, connection, awsClient }: Pick<World, "ports" | "connection" | "awsClient">,
  args: readonly string[],
  input = "",
  isTerminal = false,
) {
  const io = fakeIo({
    stdin: Object.assign(fakeIo({ input }).stdin, { isTerminal }),
    env: {
      AWS_ACCESS_KEY_ID: "AKIAEXAMPLE",
      AWS_SECRET_ACCESS_KEY: "example",
      AWS_REGION: "us-east-1",
      VOXIMPLANT_API_URL: connection.url,
      // Wrong for the functions. On an operator's machine it may mean something else.
      BASE_PATH: "/app/",
    },
    fetch: connection.fetch,
    awsClient,
    now: () => world.clock.now,
    // A rotation goes on in the background while a command waits for it.
    sleep: async (milliseconds) => {
      await ports.sleep(milliseconds);
      await world.secrets.rotationsSettled();
    },
  });
  const status = await runVoxtoken(["admin", ...args], io);
  return { status, out: io.out(), err: io.err() };
}

/** A grants file with the service account `outbound-calls`; its path. */
export async function writeGrants(folder: string, accountId?: number): Promise<string> {
  const file = join(folder, "grants.yml");
  const account = accountId === undefined ? "" : `    accountId: ${accountId}\n`;
  await writeFile(
    file,
    `serviceAccounts:\n  outbound-calls:\n    secret: voximplant/outbound-calls\n${account}grants: []\n`,
  );
  return file;
}
