import { importPKCS8, SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import { createManagementApi, type ManagementApiOptions } from "../../local/voximplant/in-process.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

const [firstPem, secondPem] = [rsaPem(), rsaPem()];
const accountId = 1234567;
const childId = 7654321;
const first = "00000000-0000-4000-8000-000000000001";
const START = Date.UTC(2026, 10, 24, 12);

function open(options: Partial<ManagementApiOptions> = {}) {
  const clock = { now: START };
  const api = createManagementApi({
    accounts: [{ accountId, childAccountIds: [childId] }, { accountId: childId }],
    keys: [{ accountId, keyId: first, pem: firstPem, roles: ["Developer"] }],
    rules: [{ ruleId: 1, accountId, applicationId: 7, name: "in", pattern: ".*", bindKeyId: first }],
    makePrivateKey: () => Promise.resolve(secondPem),
    now: () => new Date(clock.now),
    ...options,
  });

  async function send(method: string, parameters: Record<string, string>, kid = first, iss = accountId) {
    const now = Math.floor(clock.now / 1000);
    const claims: object = { iss, iat: now, exp: now + 60 };
    const token = await new SignJWT({ ...claims })
      .setProtectedHeader({ alg: "RS256", kid })
      .sign(await importPKCS8(kid === first ? firstPem : secondPem, "RS256"));
    return api.fetch(`${api.apiUrl}/${method}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: new URLSearchParams(parameters),
    });
  }
  /** The result, or the error's code. */
  async function call(method: string, parameters: Record<string, string> = {}, kid?: string, iss?: number) {
    const { result, error } = (await (await send(method, parameters, kid, iss)).json()) as {
      result?: unknown;
      error?: { code: number };
    };
    return error?.code ?? result;
  }
  return {
    clock,
    api,
    send,
    call,
    create: async () => ((await call("CreateKey")) as { key_id: string }).key_id,
    listed: async (iss?: number) =>
      ((await call("GetKeys", {}, first, iss)) as { key_id: string }[]).map(({ key_id }) => key_id),
    after: (ms: number) => {
      clock.now = START + ms;
    },
  };
}

describe("a key that CreateKey has just created", () => {
  it("is known everywhere at once without a lag", async () => {
    const { create, listed, call } = open();
    const key = await create();
    expect(await listed()).toEqual([first, key]);
    expect(await call("GetKeyRoles", { key_id: key })).toEqual([]);
    expect(await call("GetRoles", {}, key)).not.toBe(433);
  });

  it("signs no accepted token until acceptanceMs have passed", async () => {
    const { create, call, listed, after } = open({ lag: { acceptanceMs: 2_000 } });
    const key = await create();
    expect(await listed()).toContain(key);
    after(1_999);
    expect(await call("GetRoles", {}, key)).toBe(433);
    after(2_000);
    expect(await call("GetRoles", {}, key)).not.toBe(433);
  });

  it.each([
    ["GetKeyRoles", {}],
    ["UpdateKey", { description: "x" }],
    ["SetKeyRoles", { role_name: "Support" }],
    ["RemoveKeyRoles", { role_name: "Support" }],
    ["DeleteKey", {}],
  ])("is unknown to %s until lookupMs have passed", async (method, parameters) => {
    const { create, call, listed, after } = open({ lag: { lookupMs: 2_000 } });
    const key = await create();
    expect(await listed()).toContain(key);
    after(1_999);
    expect(await call(method, { ...parameters, key_id: key })).toBe(433);
    after(2_000);
    expect(await call(method, { ...parameters, key_id: key })).not.toBe(433);
  });

  it("cannot be bound to a rule until lookupMs have passed", async () => {
    const { create, call, after } = open({ lag: { lookupMs: 2_000 } });
    const key = await create();
    expect(await call("SetRuleInfo", { rule_id: "1", bind_key_id: key })).toBe(433);
    after(2_000);
    expect(await call("SetRuleInfo", { rule_id: "1", bind_key_id: key })).toBe(1);
  });

  it("is not listed, not even by its id, until listMs have passed", async () => {
    const { create, call, listed, after } = open({ lag: { listMs: 2_000 } });
    const key = await create();
    expect(await call("GetKeyRoles", { key_id: key })).toEqual([]);
    after(1_999);
    expect([await listed(), await call("GetKeys", { key_id: key })]).toEqual([[first], []]);
    after(2_000);
    expect(await listed()).toEqual([first, key]);
  });

  it("counts for the key limit before it is listed", async () => {
    const { create, call } = open({
      keyLimit: 2,
      lag: { listMs: 2_000, lookupMs: 2_000, acceptanceMs: 2_000 },
    });
    await create();
    expect(await call("CreateKey")).toBe(437);
  });
});

describe("a key that DeleteKey has just deleted", () => {
  it("is unknown to a second DeleteKey at once", async () => {
    const { create, call } = open({ deletionLag: { acceptanceMs: 2_000, listMs: 2_000 } });
    const key = await create();
    expect(await call("DeleteKey", { key_id: key })).toBe(1);
    expect(await call("DeleteKey", { key_id: key })).toBe(433);
    expect(await call("DeleteKey", { key_id: "never there" })).toBe(433);
  });

  it("signs accepted tokens for another acceptanceMs, with its roles", async () => {
    const { create, call, listed, after } = open({ deletionLag: { acceptanceMs: 2_000 } });
    const key = await create();
    await call("SetKeyRoles", { key_id: key, role_name: "Scenarios" });
    await call("DeleteKey", { key_id: key });
    expect(await listed()).toEqual([first]);
    after(1_999);
    expect(await call("StartScenarios", {}, key)).toBe(1);
    after(2_000);
    expect(await call("StartScenarios", {}, key)).toBe(433);
  });

  it("is listed for another listMs, while its tokens are refused", async () => {
    const { create, call, listed, after } = open({ deletionLag: { listMs: 2_000 } });
    const key = await create();
    await call("DeleteKey", { key_id: key });
    after(1_999);
    expect([await listed(), await call("GetRoles", {}, key)]).toEqual([[first, key], 433]);
    after(2_000);
    expect(await listed()).toEqual([first]);
  });
});

describe("a child account", () => {
  it("has its own list of keys, which a token of the parent's key for that account can read", async () => {
    const { api, listed, call } = open();
    const planted = api.addKey({ accountId: childId, pem: secondPem, name: "of the child" }).keyId;
    expect([await listed(), await listed(childId)]).toEqual([[first], [planted]]);
    expect(await call("DeleteKey", { key_id: first }, first, childId)).toBe(433);
    expect(await call("DeleteKey", { key_id: planted })).toBe(433);
  });

  it("cannot act for the parent with its own key", async () => {
    const { api, call } = open();
    const planted = api.addKey({ accountId: childId, pem: secondPem }).keyId;
    expect(await call("GetKeys", {}, planted, accountId)).toBe(100);
  });
});

it("the stand-in's HTTP status of an error can differ by method", async () => {
  const { send } = open({ errorStatus: { DeleteKey: 404 } });
  expect((await send("DeleteKey", { key_id: "unknown" })).status).toBe(404);
  expect((await send("GetKeyRoles", { key_id: "unknown" })).status).toBe(200);
});
