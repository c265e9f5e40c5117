import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Fault } from "../../local/fault.ts";
import identities from "../../local/identities.json" with { type: "json" };
import { startStack, type Stack } from "../../local/stack.ts";
import { expectAuditRecord } from "../fakes/audit-schema.ts";
import { smithy } from "../local/signers.ts";

/** The role dialer again, with an IAM policy that allows every path. */
const widePolicy = {
  ...identities.find(({ userArn }) => userArn.includes(":assumed-role/dialer/")),
  accessKeyId: "ASIADIALERWIDEXAMPLE",
  userArn: "arn:aws:sts::111122223333:assumed-role/dialer/wide-policy",
  invoke: undefined,
};

let folder: string;
let stack: Stack;
let fault: Fault | undefined;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "calls-"));
  const identitiesFile = join(folder, "identities.json");
  await writeFile(identitiesFile, JSON.stringify([...identities, widePolicy]));
  stack = await startStack({
    identitiesFile,
    faults: { voximplant: (method) => (method === "StartScenarios" ? fault : undefined) },
  });
});
afterAll(async () => {
  await stack.close();
  await rm(folder, { recursive: true });
});

function identityOf(role: string) {
  const identity = stack.identities.find(({ userArn }) => userArn.includes(`:assumed-role/${role}`));
  if (identity === undefined) throw new Error(`no identity ${role}`);
  return identity;
}

/** Has a method called as a program does: signed with SigV4, through the gateway and the bundle. */
async function call(method: string, { role = "dialer", account = "outbound-calls", body = "{}" } = {}) {
  const request = await smithy({
    identity: identityOf(role),
    url: `${stack.url}/v1/service-accounts/${account}/methods/${method}`,
    headers: { "content-type": "application/json" },
    body,
  });
  const { url, ...init } = request;
  const response = await fetch(url, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: JSON.parse(text) as unknown };
}

const seen = (method: string) => stack.managementApi.calls.filter((one) => one.method === method);

describe("a role with a grant of methods, through the built function", () => {
  it("has a granted method called, and the platform accepts the token that it never sees", async () => {
    const { status, headers, json } = await call("StartScenarios", { body: '{"rule_id":42}' });
    expect([status, json]).toEqual([200, { result: 1, call_session_history_id: 1 }]);
    expect(headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(seen("StartScenarios").at(-1)).toMatchObject({
      by: "token",
      token: { sub: "arn:aws:iam::111122223333:role/dialer" },
    });
  });

  it("can use curl (skipped where there is no curl since 7.75)", async (context) => {
    const version = /^curl (\d+)\.(\d+)/.exec(spawnSync("curl", ["--version"]).stdout.toString());
    if (version === null || Number(version[1]) * 1000 + Number(version[2]) < 7075) context.skip();
    const { accessKeyId, secretAccessKey, sessionToken } = identityOf("dialer");
    const { stdout } = await promisify(execFile)("curl", [
      ...["--silent", "--aws-sigv4", "aws:amz:us-east-1:execute-api", "--data", "rule_id=42"],
      ...["--user", `${accessKeyId}:${secretAccessKey}`, "-H", `x-amz-security-token: ${sessionToken ?? ""}`],
      `${stack.url}/v1/service-accounts/outbound-calls/methods/StartScenarios`,
    ]);
    expect(JSON.parse(stdout)).toEqual({ result: 1, call_session_history_id: 1 });
  });

  describe.each([
    ["by the gateway, if its IAM policy allows only what is granted", "dialer", "not_authorized"],
    ["by the function, if its IAM policy allows every path", "dialer/wide-policy", "access_denied"],
  ])("is refused %s:", (_, role, error) => {
    it.each([
      ["a method that makes keys", "CreateKey", {}],
      ["another service account", "StartScenarios", { account: "call-history" }],
    ])("%s, and the platform is not asked", async (_, method, options) => {
      const before = stack.managementApi.calls.length;
      const answer = await call(method, { ...options, role });
      expect(answer).toMatchObject({ status: 403, json: { error } });
      expect(stack.managementApi.calls).toHaveLength(before);
    });

    it("a token", async () => {
      const url = `${stack.url}/v1/service-accounts/outbound-calls/token`;
      const { url: to, ...init } = await smithy({ identity: identityOf(role), url });
      const response = await fetch(to, init);
      expect([response.status, await response.json()]).toMatchObject([403, { error }]);
    });
  });

  it("gets 502 for an answer that is too large", async () => {
    expect(await call("LocalLarge")).toMatchObject({ status: 502, json: { error: "response_too_large" } });
  });

  it("gets 504 for a lost answer, and the platform saw the call once", async () => {
    const before = seen("StartScenarios").length;
    fault = { drop: "after" };
    const answer = await call("StartScenarios");
    fault = undefined;
    expect(answer).toMatchObject({ status: 504, json: { error: "platform_timeout" } });
    expect(answer.text).toContain("Whether the method took effect is not known");
    expect(seen("StartScenarios")).toHaveLength(before + 1);
  });

  it("gets 502 where the platform hangs up on a redirect", async () => {
    fault = { status: 302, body: "", headers: { Location: "/platform_api/CreateKey" } };
    const answer = await call("StartScenarios");
    fault = undefined;
    expect(answer).toMatchObject({ status: 502, json: { error: "platform_unavailable" } });
    expect(seen("CreateKey")).toEqual([]);
  });

  it("leaves records with the names of its parameters, and nowhere a token", async () => {
    const from = stack.lines.length;
    const { text } = await call("StartScenarios", { body: '{"script_custom_data":"+49 30 123"}' });
    const lines = stack.lines.slice(from);
    expect(lines).toHaveLength(1);
    expectAuditRecord(JSON.parse(lines[0] ?? "") as object);
    expect(lines[0]).toContain('"platform_parameters":["script_custom_data"]');
    expect(`${text}${stack.lines.join("")}`).not.toMatch(/\+49|eyJ/);
  });
});

describe("a role with a grant of tokens", () => {
  it("has no method called", async () => {
    const answer = await call("StartScenarios", { role: "billing-worker" });
    expect(answer).toMatchObject({ status: 403, json: { error: "access_denied" } });
  });
});
