import { createPublicKey } from "node:crypto";
import { importPKCS8, SignJWT } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import { platformFault } from "../../local/voximplant/error.ts";
import {
  type ManagementApi,
  type ManagementApiOptions,
  startManagementApi,
} from "../../local/voximplant/server.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

const privateKey = rsaPem();
const accountId = 1234567;
const apiKey = "the-deprecated-api-key";
const keyId = "00000000-0000-4000-8000-000000000001";

let api: ManagementApi;

async function start(options: Partial<ManagementApiOptions> = {}, roles: string[] = []): Promise<void> {
  api = await startManagementApi({
    accounts: [
      { accountId, apiKey, childAccountIds: [7654321] },
      { accountId: 7654321, email: "child@example.com" },
    ],
    keys: [{ accountId, keyId, pem: privateKey, name: "first", roles }],
    ...options,
  });
}

afterEach(() => api.close());

async function token(kid = keyId, pem = privateKey, iss = accountId): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const claims: object = { iss, iat: now, exp: now + 60 }; // `iss` is a number, against RFC 7519.
  return new SignJWT({ ...claims })
    .setProtectedHeader({ alg: "RS256", kid })
    .sign(await importPKCS8(pem, "RS256"));
}

interface Answer {
  result?: unknown;
  error?: { code: number; msg: string };
}

async function call(method: string, parameters: Record<string, string> = {}, bearer?: string) {
  const response = await fetch(`${api.apiUrl}/${method}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${bearer ?? (await token())}` },
    body: new URLSearchParams(parameters),
  });
  return (await response.json()) as Answer;
}

interface NewKeyFile {
  account_id: number;
  account_email: string;
  key_id: string;
  private_key: string;
}

describe("a caller of the Management API stand-in", () => {
  it("authenticates with a token, and may call the methods that its key's roles allow", async () => {
    await start();
    expect(await call("GetAccountInfo")).toMatchObject({
      result: {
        account_id: accountId,
        access_entries: expect.arrayContaining(["GetAccountInfo", "CreateKey"]) as string[],
      },
      api_address: new URL(api.url).host,
    });
    expect(api.calls).toMatchObject([{ by: "token", token: { kid: keyId, iss: accountId } }]);
  });

  it("acts on a child account with a token for that account", async () => {
    await start();
    const answer = await call("GetAccountInfo", {}, await token(keyId, privateKey, 7654321));
    expect(answer).toMatchObject({ result: { account_email: "child@example.com" } });
  });

  it("may send a query, a form or a multipart form, and the method as `cmd`", async () => {
    await start();
    const headers = { Authorization: `Bearer ${await token()}` };
    const form = new FormData();
    form.set("cmd", "GetKeys");
    form.set("key_id", keyId);
    const answers = await Promise.all([
      fetch(`${api.apiUrl}/GetKeys?key_id=${keyId}`, { headers }),
      fetch(`${api.apiUrl}/GetKeys`, {
        method: "POST",
        headers,
        body: new URLSearchParams({ key_id: keyId }),
      }),
      fetch(api.apiUrl, { method: "POST", headers, body: form }),
    ]);
    for (const answer of answers) {
      expect(await answer.json()).toMatchObject({ result: [{ key_id: keyId }], total_count: 1 });
    }
  });

  it("may use the deprecated API key, which allows every method", async () => {
    await start();
    const ask = async (key: string) =>
      (await (
        await fetch(`${api.apiUrl}/GetRules?application_id=7&account_id=${accountId}&api_key=${key}`)
      ).json()) as Answer;
    expect(await ask(apiKey)).toMatchObject({ result: [] });
    expect(await ask("wrong")).toMatchObject({ error: { code: 100 } });
  });

  it("gets the reason why a token is refused, with HTTP status 200 unless another is chosen", async () => {
    for (const errorStatus of [200, 401]) {
      await start({ errorStatus });
      const response = await fetch(`${api.apiUrl}/GetAccountInfo`, {
        headers: { Authorization: `Bearer ${await token("unknown")}` },
      });
      expect(response.status).toBe(errorStatus);
      expect(await response.json()).toMatchObject({ error: { code: 433 } });
      expect(api.calls).toMatchObject([{ error: { code: 433 } }]);
      if (errorStatus === 200) await api.close();
    }
  });

  it("gets 100 for a method that needs a missing role, and 104 for an unknown method", async () => {
    await start();
    expect(await call("GetRules")).toMatchObject({ error: { code: 100 } });
    expect(await call("constructor")).toMatchObject({ error: { code: 104 } });
  });
});

describe("a key of the stand-in", () => {
  it.each(["object", "array"] as const)("is created with an %s as the answer, and works", async (shape) => {
    await start({ createKeyShape: shape });
    const { result } = await call("CreateKey", { key_name: "second", role_name: "Admin;Payer" });
    expect(Array.isArray(result)).toBe(shape === "array");
    const file = [result].flat()[0] as NewKeyFile;
    expect(file).toMatchObject({ account_id: accountId, account_email: "account-1234567@example.com" });
    expect(createPublicKey(file.private_key).asymmetricKeyDetails?.modulusLength).toBe(2048);
    const answer = await call("GetAccountInfo", {}, await token(file.key_id, file.private_key));
    expect(answer).toMatchObject({ result: { account_id: accountId } });
  });

  it("lists the inherited roles too, and marks them only when asked", async () => {
    await start({}, ["Developer"]);
    const plain = await call("GetKeyRoles", { key_id: keyId });
    expect(plain.result).toEqual([
      { role_id: 3, role_name: "Developer", gui_only: false },
      { role_id: 9, role_name: "Scenarios", gui_only: false },
    ]);
    const expanded = await call("GetKeyRoles", { key_id: keyId, with_expanded_roles: "true" });
    expect(expanded.result).toMatchObject([
      { role_name: "Developer", inherited: false, child_ids: [9], parent_role_id: [2] },
      { role_name: "Scenarios", inherited: true },
    ]);
  });

  it("can get and lose roles with immediate effect", async () => {
    await start();
    expect(await call("SetKeyRoles", { key_id: keyId, role_name: "Scenarios" })).toEqual({ result: 1 });
    expect(await call("StartScenarios")).toMatchObject({ result: 1 });
    expect(await call("RemoveKeyRoles", { key_id: keyId, role_id: "9" })).toEqual({ result: 1 });
    expect(await call("StartScenarios")).toMatchObject({ error: { code: 100 } });
    expect(await call("SetKeyRoles", { key_id: keyId, role_name: "Emperor" })).toMatchObject({
      error: { code: 435 },
    });
  });

  it("can be renamed, and once it is deleted its tokens are refused", async () => {
    await start();
    await call("UpdateKey", { key_id: keyId, description: "new words", key_name: "new name" });
    expect(api.keys.get(keyId)).toMatchObject({ description: "new words", name: "new name" });
    expect(await call("DeleteKey", { key_id: keyId })).toEqual({ result: 1 });
    expect(await call("GetAccountInfo")).toMatchObject({ error: { code: 433 } });
  });

  it("is listed in pages of 20", async () => {
    await start({
      keys: Array.from({ length: 25 }, (_, n) => ({
        accountId,
        pem: privateKey,
        ...(n === 0 && { keyId }),
      })),
    });
    expect(await call("GetKeys")).toMatchObject({ count: 20, total_count: 25 });
    expect(await call("GetKeys", { offset: "20", with_roles: "true" })).toMatchObject({
      count: 5,
      result: expect.arrayContaining([expect.objectContaining({ roles: [] })]) as object[],
    });
  });

  it.each([
    ["a key above the limit", "CreateKey", {}, 437],
    ["a name of 51 characters", "CreateKey", { key_name: "x".repeat(51) }, 0],
    ["an unknown role", "CreateKey", { role_id: "99" }, 435],
    ["an unknown key", "DeleteKey", { key_id: "unknown" }, 433],
    ["no key id", "DeleteKey", {}, 0],
  ])("cannot be changed by an invalid request: %s", async (_, method, parameters, code) => {
    await start({ keyLimit: 1 });
    expect(await call(method, { ...parameters })).toMatchObject({ error: { code } });
  });
});

describe("a routing rule", () => {
  it("can be bound to another key", async () => {
    await start(
      { rules: [{ ruleId: 1, accountId, applicationId: 7, name: "in", pattern: ".*", bindKeyId: keyId }] },
      ["Developer"],
    );
    const other = api.addKey({ accountId, pem: privateKey }).keyId;
    expect(await call("GetRules", { application_id: "7", attached_key_id: keyId })).toMatchObject({
      result: [{ rule_id: 1, rule_name: "in", bind_key_id: keyId }],
    });
    expect(await call("SetRuleInfo", { rule_id: "1", bind_key_id: other })).toEqual({ result: 1 });
    expect(api.rules.get(1)).toMatchObject({ bindKeyId: other, name: "in" });
    expect(await call("SetRuleInfo", { rule_id: "1", bind_key_id: "gone" })).toMatchObject({
      error: { code: 433 },
    });
  });
});

describe("an injected fault", () => {
  it("affects the call that was meant, before or after it runs", async () => {
    await start({
      fault: (method, n) =>
        method !== "DeleteKey" ? undefined : n === 1 ? platformFault(340) : { drop: "after" },
    });
    const { keyId: victim } = api.addKey({ accountId, pem: privateKey });
    expect(await call("DeleteKey", { key_id: victim })).toMatchObject({ error: { code: 340 } });
    expect(api.keys.has(victim)).toBe(true);
    await expect(call("DeleteKey", { key_id: victim })).rejects.toThrow();
    expect(api.keys.has(victim)).toBe(false);
  });
});
