import { generateKeyPairSync } from "node:crypto";
import { unlinkSync } from "node:fs";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { runVoxtoken } from "../fakes/voxtoken.ts";
import { listKeys } from "../../lib/reconciliation/list-keys.ts";
import { reconcileKeys } from "../../lib/reconciliation/reconcile-keys.ts";
import { ROLES_TAG } from "../../lib/key-lifecycle/roles.ts";
import type { Fault, FaultInjector } from "../../local/fault.ts";
import { platformFault } from "../../local/voximplant/error.ts";
import { fakeIo } from "../fakes/io.ts";
import {
  ACCOUNT,
  credentialsFile,
  GRACE_MS,
  operatorEnv,
  policyFor,
  startWorld,
  voxtokenIn,
  type World,
  writeGrants,
} from "../key-lifecycle/world.ts";
import { makeRsaPem } from "../fakes/credentials.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

let world: World;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "import-"));
});
afterEach(async () => {
  await world.close();
  await rm(folder, { recursive: true });
});

const pem = rsaPem();
const small = makeRsaPem(1024);
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" })
  .privateKey.export({ type: "pkcs8", format: "pem" })
  .toString();

/** A key that the platform knows, as somebody made it in the control panel, and its file. */
function downloadKey(accountId = ACCOUNT, privateKey = pem) {
  const { keyId } = world.platform.addKey({
    accountId,
    pem: privateKey,
    name: "from the panel",
    roles: ["Scenarios"],
  });
  return { keyId, text: credentialsFile(keyId, privateKey, accountId) };
}

async function save(text: string, mode = 0o600): Promise<string> {
  const file = join(folder, "key_private.json");
  await writeFile(file, text, { mode });
  return file;
}

async function voxtoken(args: readonly string[], input = "", accountId?: number) {
  const io = fakeIo({ input, env: operatorEnv(world), fetch: globalThis.fetch, now: () => world.clock.now });
  const status = await runVoxtoken(["admin", ...args, "--grants", await writeGrants(folder, accountId)], io);
  const shown = io.out() + io.err();
  expect(shown).not.toContain("PRIVATE KEY");
  expect(shown).not.toContain(pem.slice(200, 232));
  return { status, out: io.out(), err: io.err() };
}

const failTagging: FaultInjector = (operation) =>
  operation === "TagResource" ? { status: 500, body: '{"__type":"InternalServiceError"}' } : undefined;

/** What fetch throws if no server listens. */
function refusedConnection(): Error {
  const message = "connect ECONNREFUSED 127.0.0.1:1";
  return new TypeError("fetch failed", { cause: Object.assign(new Error(message), { syscall: "connect" }) });
}

const importArgs = (file: string, ...more: string[]) => [
  "import",
  file,
  "--service-account",
  "outbound-calls",
  ...more,
];
const expected = ["--account-id", String(ACCOUNT)];

describe("voxtoken admin import", () => {
  it("stores the file's bytes unchanged in the secret, and records the key's roles", async () => {
    world = await startWorld({ http: true, serviceAccounts: [], emptySecrets: ["outbound-calls"] });
    const { keyId, text } = downloadKey();
    const odd = text.replace("{", "{ \n ");
    const { status, out, err } = await voxtoken(importArgs(await save(odd), ...expected));
    expect({ status, out }).toEqual({
      status: 0,
      out: `outbound-calls: key ${keyId} of account ${ACCOUNT} is current\n`,
    });
    expect(err).toContain("and read back");
    expect(err).toContain("Delete the file");
    const [version] = world.secret().versions.values();
    expect(version?.content).toEqual({ SecretString: odd });
    expect(world.secret().tags).toEqual([{ Key: ROLES_TAG, Value: "9" }]);
    await world.useCurrentKey();
  });

  it.each(["object", "array"] as const)(
    "stores a key that CreateKey made, whose result was an %s",
    async (createKeyShape) => {
      world = await startWorld({ http: true, createKeyShape });
      const body = new URLSearchParams({ account_id: String(ACCOUNT), api_key: "deprecated-api-key" });
      const answer = await fetch(`${world.platform.apiUrl}/CreateKey`, { method: "POST", body });
      const { result } = (await answer.json()) as { result: object | object[] };
      const [file] = [result].flat() as { key_id: string }[];
      expect(await voxtoken(importArgs("-", ...expected), JSON.stringify(file))).toMatchObject({ status: 0 });
      expect(world.keyWith("AWSCURRENT")).toBe(file?.key_id);
      await world.useCurrentKey();
    },
  );

  it("takes the key from stdin", async () => {
    world = await startWorld({ http: true });
    const { keyId, text } = downloadKey();
    expect(await voxtoken(importArgs("-", ...expected), text)).toMatchObject({ status: 0 });
    expect(world.keyWith("AWSCURRENT")).toBe(keyId);
  });

  /** As an operator's process beside others, with the platform's calls in the same process. */
  const importIn = (text: string, process = world.openProcess("operator")) =>
    writeGrants(folder).then((grants) =>
      voxtokenIn(world, process, [...importArgs("-", ...expected), "--grants", grants], text),
    );

  it.each(["lookupMs", "listMs"])("waits until the platform knows a new key: %s", async (what) => {
    world = await startWorld({ lag: { [what]: 20_000 } });
    const { keyId } = world.platform.addKey({ accountId: ACCOUNT, pem, createdAt: world.clock.now });
    const { status, err } = await importIn(credentialsFile(keyId, pem));
    expect({ status, key: world.keyWith("AWSCURRENT") }).toEqual({ status: 0, key: keyId });
    expect(err).toContain("The platform does not know this key; trying again for up to a minute.");
    const findings = await reconcileKeys(world.ports, policyFor());
    expect(findings.map(({ reason }) => reason)).not.toContain("current_key_missing");
  });

  it("fails if reconciliation deletes the key just before it is stored, while its tokens are still accepted", async () => {
    world = await startWorld({ deletionLag: { acceptanceMs: 30_000 } });
    const { keyId, text } = downloadKey();
    const operator = world.openProcess("operator");
    const reconciliation = world.openProcess("reconciliation");
    let isDeleted = false;
    operator.remote.around = async (call) => {
      // PutSecretValue is the call after GetKeyRoles.
      if (!isDeleted && world.platform.calls.at(-1)?.method === "GetKeyRoles") {
        isDeleted = true;
        await reconcileKeys(reconciliation.ports, policyFor({ "outbound-calls": { unknownKeys: "delete" } }));
      }
      return call();
    };
    const { status, err } = await importIn(text, operator);
    expect({ status, exists: world.platform.keys.has(keyId) }).toEqual({ status: 1, exists: false });
    expect(err).toMatch(/deleted/);
  });

  it("says how to accept the roles if it may not record them, and others are recorded", async () => {
    world = await startWorld();
    await reconcileKeys(world.ports, policyFor());
    world.faults.secrets = (operation) =>
      operation === "TagResource" ? { status: 400, body: '{"__type":"AccessDeniedException"}' } : undefined;
    const { err } = await importIn(downloadKey().text);
    expect(err).toContain(
      "(secretsmanager:TagResource is denied). Accept them, or an alarm reports that they",
    );
    expect(err).toContain("`voxtoken admin keys --accept-roles NAME`");
  });

  it("overwrites and deletes the file if --shred is set", async () => {
    world = await startWorld({ http: true });
    const file = await save(downloadKey().text);
    expect(await voxtoken(importArgs(file, ...expected, "--shred"))).toMatchObject({ status: 0 });
    await expect(stat(file)).rejects.toThrow("ENOENT");
  });

  it("reports that the key is current, and that the file is left, if --shred fails", async () => {
    const file = join(folder, "key_private.json");
    let isDeleted = false;
    world = await startWorld({
      http: true,
      secretsFault: (operation) => {
        if (operation === "PutSecretValue" && !isDeleted) unlinkSync(file);
        isDeleted ||= operation === "PutSecretValue";
        return undefined;
      },
    });
    const { keyId, text } = downloadKey();
    await save(text);
    const { status, out, err } = await voxtoken(importArgs(file, ...expected, "--shred"));
    expect({ status, out }).toEqual({
      status: 1,
      out: `outbound-calls: key ${keyId} of account ${ACCOUNT} is current\n`,
    });
    expect(err).toMatch(/key .* is current, but: .*key_private\.json was not overwritten and deleted/);
    expect(err).not.toContain("not imported");
    expect(world.keyWith("AWSCURRENT")).toBe(keyId);
  });

  it("reports that the key is current, and what was not done, if recording its roles fails", async () => {
    world = await startWorld({ http: true, secretsFault: failTagging });
    const { keyId, text } = downloadKey();
    const { status, out, err } = await voxtoken(importArgs("-", ...expected), text);
    expect({ status, out }).toMatchObject({ status: 1, out: expect.stringContaining(keyId) as string });
    expect(err).toContain("is current, but: The key's roles were not recorded");
  });

  it("says that it could not read the key back, as in every deployment", async () => {
    const denied = {
      status: 400,
      body: JSON.stringify({ __type: "AccessDeniedException", Message: "explicit deny" }),
    };
    world = await startWorld({
      http: true,
      secretsFault: (operation) => (operation === "GetSecretValue" ? denied : undefined),
    });
    const { status, err } = await voxtoken(importArgs(await save(downloadKey().text), ...expected));
    expect(status).toBe(0);
    expect(err).toContain("only the functions may read it");
  });

  it("warns if others may read the file, and continues", async () => {
    world = await startWorld({ http: true });
    const { status, err } = await voxtoken(importArgs(await save(downloadKey().text, 0o644), ...expected));
    expect(status).toBe(0);
    expect(err).toMatch(/Warning: other users of this machine can read .*key_private\.json\. .*rotate/);
  });

  describe("refuses without a change, and with the next step,", () => {
    const badFiles = [
      [
        "a truncated file",
        () => downloadKey().text.slice(0, 300),
        "not JSON",
        "use the unchanged file from the control panel",
      ],
      [
        "a file without its private key",
        () => JSON.stringify({ account_id: ACCOUNT, key_id: "k" }),
        "private_key",
        "create another key",
      ],
      ["an EC key", () => credentialsFile("k", ec), "an RSA key is needed", "create another key"],
      ["a 1024-bit key", () => credentialsFile("k", small), "this key has 1024", "create another key"],
      [
        "a key that was deleted",
        () => {
          const { keyId, text } = downloadKey();
          world.platform.keys.delete(keyId);
          return text;
        },
        "the platform refuses this key",
        "was deleted",
      ],
      [
        "someone else's account",
        () => downloadKey(7654321).text,
        "to account 7654321, not 1234567",
        "the key is not yours",
      ],
    ] as const;

    it.each(badFiles)("%s", async (_, makeFile, message, hint) => {
      world = await startWorld({ http: true });
      const first = world.keyWith("AWSCURRENT");
      const file = await save(makeFile());
      const { status, out, err } = await voxtoken(importArgs(file, ...expected, "--shred"));
      expect({ status, out }).toEqual({ status: 1, out: "" });
      expect(err).toContain(message);
      expect(err).toMatch(new RegExp(`\nhint: .*${hint}`));
      expect(world.keyWith("AWSCURRENT")).toBe(first);
      await expect(readFile(file)).resolves.toBeDefined();
    });

    it.each<[string, (file: object) => unknown, string]>([
      ["the whole answer of CreateKey", (file) => ({ result: file }), "the whole answer of CreateKey"],
      ["its answer with an array", (file) => ({ result: [file] }), "the whole answer of CreateKey"],
      ["the array of that answer", (file) => [file], "an array with one credentials file"],
    ])("%s, and gives the command that imports the key in it", async (_, wrap, message) => {
      world = await startWorld({ http: true });
      const first = world.keyWith("AWSCURRENT");
      const file = await save(JSON.stringify(wrap(JSON.parse(downloadKey().text) as object)));
      const { status, out, err } = await voxtoken(importArgs(file, ...expected, "--shred"));
      expect({ status, out }).toEqual({ status: 1, out: "" });
      expect(err).toContain(`not a usable credentials file: file: ${message}`);
      expect(err).toContain(
        "\nhint: jq '[.result? // .] | flatten | .[0]' FILE | " +
          "voxtoken admin import - --service-account outbound-calls --account-id ID; then delete FILE\n",
      );
      expect(world.keyWith("AWSCURRENT")).toBe(first);
      await expect(readFile(file)).resolves.toBeDefined();
    });

    it("an account that was not confirmed", async () => {
      world = await startWorld({ http: true });
      const { status, err } = await voxtoken(importArgs(await save(downloadKey().text)));
      expect(status).toBe(2);
      expect(err).toContain(`--account-id ${ACCOUNT}`);
    });

    it("a key of another account than grants.yml names, although the operator confirms it", async () => {
      world = await startWorld({ http: true });
      const first = world.keyWith("AWSCURRENT");
      const { status, err } = await voxtoken(importArgs("-", ...expected), downloadKey().text, 7654321);
      expect(status).toBe(1);
      expect(err).toMatch(/1234567.*7654321/);
      expect(world.keyWith("AWSCURRENT")).toBe(first);
    });

    it("a secret that does not exist", async () => {
      world = await startWorld({ http: true, serviceAccounts: [] });
      const { status, err } = await voxtoken(importArgs(await save(downloadKey().text), ...expected));
      expect(status).toBe(1);
      expect(err).toContain("aws secretsmanager create-secret --name voximplant/outbound-calls");
    });

    it("a service account that grants.yml does not contain", async () => {
      world = await startWorld({ http: true });
      const { status, err } = await voxtoken(["import", "-", "--service-account", "outbound-call"]);
      expect(status).toBe(2);
      expect(err).toContain("outbound-calls");
    });
  });
});

describe("voxtoken admin bootstrap", () => {
  const args = ["bootstrap", "--service-account", "outbound-calls", ...expected];
  const API_KEY = "deprecated-api-key";

  it.each(["object", "array"] as const)(
    "creates a key with these roles and stores it only in the secret, if CreateKey answers with an %s",
    async (createKeyShape) => {
      world = await startWorld({
        http: true,
        serviceAccounts: [],
        emptySecrets: ["outbound-calls"],
        createKeyShape,
      });
      const { status, err } = await voxtoken([...args, "--roles", "scenarios, Support"], `${API_KEY}\n`);
      expect(status).toBe(0);
      expect(err).toContain("The API key is no longer needed here");
      expect(err).not.toContain(API_KEY);
      const key = world.platform.keys.get(world.keyWith("AWSCURRENT") ?? "");
      expect(key?.roleIds).toEqual(new Set([9, 5]));
      expect(key?.name).toMatch(/^vtv-/);
      await world.useCurrentKey();
    },
  );

  it.each([
    ["an API key that is wrong", "wrong", ["--roles", "Support"], 1, "error 100"],
    ["no API key", "", ["--roles", "Support"], 2, "no API key was given"],
    ["a role that there is not", API_KEY, ["--roles", "Supporter"], 2, "no role Supporter"],
  ])("refuses %s, and creates no key", async (_, apiKey, roles, expectedStatus, message) => {
    world = await startWorld({ http: true, serviceAccounts: [], emptySecrets: ["outbound-calls"] });
    const { status, err } = await voxtoken([...args, ...roles], apiKey);
    expect(status).toBe(expectedStatus);
    expect(err).toContain(message);
    expect(world.platform.keys.size).toBe(0);
  });

  it("calls no method if grants.yml names another account", async () => {
    world = await startWorld({ http: true, serviceAccounts: [], emptySecrets: ["outbound-calls"] });
    const { status, err } = await voxtoken([...args, "--roles", "Support"], API_KEY, 7654321);
    expect(status).toBe(2);
    expect(err).toContain("grants.yml says accountId 7654321 for outbound-calls, not 1234567");
    expect(world.platform.calls).toEqual([]);
    expect(world.secret().versions.size).toBe(0);
  });

  it("reports that the key is current, and what was not done, if recording its roles fails", async () => {
    world = await startWorld({
      http: true,
      serviceAccounts: [],
      emptySecrets: ["outbound-calls"],
      secretsFault: failTagging,
    });
    const { status, out, err } = await voxtoken([...args, "--roles", "Support"], API_KEY);
    const keyId = world.keyWith("AWSCURRENT") ?? "";
    expect({ status, out }).toEqual({
      status: 1,
      out: `outbound-calls: key ${keyId} of account ${ACCOUNT} is current\n`,
    });
    expect(err).toContain(`key ${keyId} is current, but: The key's roles were not recorded`);
    expect(err).not.toContain("no key was stored");
    await world.useCurrentKey();
  });

  it("says that a key may exist if the answer of CreateKey is lost, and how to find and delete it", async () => {
    world = await startWorld({
      serviceAccounts: [],
      emptySecrets: ["outbound-calls"],
      fault: (method, n) => (method === "CreateKey" && n === 1 ? { drop: "after" } : undefined),
    });
    const bootstrap = async () =>
      voxtokenIn(
        world,
        world,
        [...args, "--roles", "Support", "--grants", await writeGrants(folder)],
        API_KEY,
      );
    const { status, out, err } = await bootstrap();
    const [[keyId, lost] = []] = [...world.platform.keys];
    expect({ status, out }).toEqual({ status: 1, out: "" });
    expect(err).toContain("no key was stored in the secret: Voximplant gave no usable answer to CreateKey");
    expect(err).toContain(`A key named ${lost?.name} may exist nevertheless.`);
    expect(err).toMatch(/\nhint: run the command again: .*`voxtoken admin keys` .* stray.* control panel/);

    expect(await bootstrap()).toMatchObject({ status: 0 });
    const { keys } = await listKeys(world.ports, policyFor());
    expect(keys.find((key) => key.keyId === keyId)).toMatchObject({ state: "stray" });
    world.clock.now += GRACE_MS + 1_000;
    await reconcileKeys(world.ports, policyFor());
    expect(world.platform.keys.has(keyId ?? "")).toBe(false);
    await world.useCurrentKey();
  });

  it.each(["is refused", "is not sent"])("does not say that a key may exist if CreateKey %s", async (how) => {
    world = await startWorld({
      serviceAccounts: [],
      emptySecrets: ["outbound-calls"],
      fault: (method) => (method === "CreateKey" ? platformFault(437) : undefined),
    });
    const { ports, connection, awsClient } = world;
    const unreachable: typeof fetch = (input, init) =>
      how === "is not sent" && new Request(input, init).url.endsWith("/CreateKey")
        ? Promise.reject(refusedConnection())
        : connection.fetch(input, init);
    const { status, err } = await voxtokenIn(
      world,
      { ports, awsClient, connection: { ...connection, fetch: unreachable } },
      [...args, "--roles", "Support", "--grants", await writeGrants(folder)],
      API_KEY,
    );
    expect(status).toBe(1);
    expect(err).toMatch(how === "is refused" ? /error 437/ : /ECONNREFUSED/);
    expect(err).not.toContain("may exist");
  });

  it("replaces a key only if told to", async () => {
    world = await startWorld({ http: true });
    const { status, err } = await voxtoken([...args, "--roles", "Support"], API_KEY);
    expect(status).toBe(1);
    expect(err).toContain("voxtoken admin rotate outbound-calls");
    expect(await voxtoken([...args, "--roles", "Support", "--replace"], API_KEY)).toMatchObject({
      status: 0,
    });
  });
});

describe("while a key is stored,", () => {
  /** Runs a command, and `before` right before it stores the key. */
  async function runAround(args: readonly string[], input: string, before: () => Promise<unknown>) {
    const operator = world.openProcess("operator");
    const { requestHandler } = operator.awsClient;
    const handle = requestHandler.handle.bind(requestHandler);
    let isDone = false;
    requestHandler.handle = async (request, options) => {
      if (request.headers["x-amz-target"]?.endsWith("PutSecretValue") === true && !isDone) {
        isDone = true;
        await before();
      }
      return handle(request, options);
    };
    return voxtokenIn(world, operator, [...args, "--grants", await writeGrants(folder)], input);
  }
  const importArgs = (file: string) => [
    ...["import", file, "--service-account", "outbound-calls", "--account-id", String(ACCOUNT)],
  ];

  it("and a reconciliation deletes it as unknown, the import fails", async () => {
    world = await startWorld();
    const { keyId, text } = downloadKey();
    const policy = policyFor({ "outbound-calls": { unknownKeys: "delete" } });

    const { status, err } = await runAround(importArgs("-"), text, () =>
      reconcileKeys(world.openProcess("reconciliation").ports, policy),
    );
    expect(status).toBe(1);
    expect(err).toContain(`key ${keyId} is current, but it was deleted while this command stored it`);
  });

  it("and the platform stops answering, the import says so and keeps the file", async () => {
    world = await startWorld();
    const { text } = downloadKey();
    const file = await save(text);

    const { status, err } = await runAround([...importArgs(file), "--shred"], "", () => {
      world.faults.platform = () => platformFault(340);
      return Promise.resolve();
    });
    expect(status).toBe(1);
    expect(err).toContain("It is unknown whether the platform still accepts the key");
    expect(await readFile(file, "utf8")).toBe(text);
  });

  const dropAnswer = { drop: "after" } as const;
  const broken = { status: 500, body: JSON.stringify({ __type: "InternalServiceError" }) };
  describe.each<[string, Readonly<Record<string, Fault>>]>([
    ["and the answer is lost", { PutSecretValue: dropAnswer }],
    ["and Secrets Manager fails afterwards", { DescribeSecret: broken }],
  ])("%s,", (_, faults) => {
    const breakStore = () => {
      world.faults.secrets = (operation) => faults[operation];
      return Promise.resolve();
    };

    it("the import says that the key may be current, and --shred keeps the file", async () => {
      world = await startWorld();
      const { keyId, text } = downloadKey();
      const file = await save(text);

      const { status, out, err } = await runAround([...importArgs(file), "--shred"], "", breakStore);
      expect(world.keyWith("AWSCURRENT")).toBe(keyId);
      expect({ status, out }).toEqual({ status: 1, out: "" });
      expect(err).not.toContain("not imported");
      expect(err).toMatch(new RegExp(`key ${keyId} may be current\\. It is not known whether version `));
      expect(err).toContain(
        "\nhint: `voxtoken admin keys` shows the current key; if it is another one, run the command again",
      );
      expect(await readFile(file, "utf8")).toBe(text);
    });

    it("bootstrap says that the key may be current", async () => {
      world = await startWorld({ serviceAccounts: [], emptySecrets: ["outbound-calls"] });
      const args = ["bootstrap", "--service-account", "outbound-calls", "--roles", "Developer"];

      const { status, out, err } = await runAround(
        [...args, "--account-id", String(ACCOUNT)],
        "deprecated-api-key",
        breakStore,
      );
      const keyId = world.keyWith("AWSCURRENT") ?? "";
      expect({ status, out }).toEqual({ status: 1, out: "" });
      expect(err).not.toContain("no key was stored");
      expect(err).toContain(`key ${keyId} may be current`);
    });
  });

  it("and AWS denies it, the import says that nothing was imported", async () => {
    world = await startWorld();
    const file = await save(downloadKey().text);
    const denied = { status: 400, body: JSON.stringify({ __type: "AccessDeniedException", Message: "no" }) };

    const { status, err } = await runAround(importArgs(file), "", () => {
      world.faults.secrets = (operation) => (operation === "PutSecretValue" ? denied : undefined);
      return Promise.resolve();
    });
    expect(status).toBe(3);
    expect(err).toContain("not imported: no");
  });

  it("and AWS denies it, bootstrap deletes the new key, which no secret holds", async () => {
    world = await startWorld({ serviceAccounts: [], emptySecrets: ["outbound-calls"] });
    const denied = { status: 400, body: JSON.stringify({ __type: "AccessDeniedException", Message: "no" }) };
    const args = ["bootstrap", "--service-account", "outbound-calls", "--roles", "Developer"];
    let created = 0;

    const { status } = await runAround(
      [...args, "--account-id", String(ACCOUNT)],
      "deprecated-api-key",
      () => {
        created = world.platform.keys.size;
        world.faults.secrets = (operation) => (operation === "PutSecretValue" ? denied : undefined);
        return Promise.resolve();
      },
    );
    expect(status).toBe(3);
    expect([created, world.platform.keys.size]).toEqual([1, 0]);
  });

  it("and another import follows, the first does not say that its key is current", async () => {
    world = await startWorld();
    const first = downloadKey();
    const second = downloadKey();
    let gets = 0;
    world.faults.secrets = (operation) => {
      // Between the moment when the first is seen to be current, and the check of its value.
      if (operation === "GetSecretValue" && gets++ === 0)
        void world.secrets.call("PutSecretValue", {
          SecretId: world.secret().arn,
          SecretString: second.text,
        });
      return undefined;
    };

    const { status, out, err } = await runAround(importArgs("-"), first.text, () => Promise.resolve());
    expect({ status, out }).toEqual({ status: 1, out: "" });
    expect(err).toContain(
      `key ${first.keyId} was stored, but another version became current meanwhile\nhint: see \`voxtoken admin keys\``,
    );
    expect(world.keyWith("AWSCURRENT")).toBe(second.keyId);
  });

  it("and another file takes the place of its file, --shred does not destroy that one", async () => {
    world = await startWorld();
    const file = await save(downloadKey().text);
    const second = credentialsFile("11111111-2222-4333-8444-555555555555", pem);

    const { status, err } = await runAround([...importArgs(file), "--shred"], "", () =>
      writeFile(file, second),
    );
    expect(status).toBe(1);
    expect(err).toContain("another file has taken its place");
    expect(await readFile(file, "utf8")).toBe(second);
  });

  it("and it cannot be read back, --shred keeps the file", async () => {
    world = await startWorld();
    const { text } = downloadKey();
    const file = await save(text);
    world.faults.secrets = (operation) =>
      operation === "GetSecretValue"
        ? { status: 500, body: JSON.stringify({ __type: "InternalServiceError" }) }
        : undefined;

    const { status } = await runAround([...importArgs(file), "--shred"], "", () => Promise.resolve());
    expect(status).toBe(1);
    expect(await readFile(file, "utf8")).toBe(text);
  });

  it("and the secret has not changed for a grace, bootstrap starts the grace before it creates the key", async () => {
    world = await startWorld();
    world.clock.now += GRACE_MS + 60_000;
    const args = ["bootstrap", "--replace", "--service-account", "outbound-calls"];

    const { status } = await runAround(
      [...args, "--account-id", String(ACCOUNT), "--roles", "Developer"],
      "deprecated-api-key",
      () => reconcileKeys(world.openProcess("reconciliation").ports, policyFor()),
    );
    expect(status).toBe(0);
    await world.useCurrentKey();
  });
});
