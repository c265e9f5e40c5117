import { execFile, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ErrorResponse, TokenResponse } from "../../lib/http/wire.ts";
import type { Identity } from "../../local/gateway/identity.ts";
import { FunctionError } from "../../local/lambda/function.ts";
import { buildFunctions } from "../../local/lambda/functions.ts";
import { loadPolicy } from "../../scripts/load-policy.ts";
import { startSecretsManager } from "../../local/secrets-manager/server.ts";
import { type Stack, type StackOptions, startStack } from "../../local/stack.ts";
import { secondSigner, send, type Sign, type SignedRequest, smithy } from "./signers.ts";
import { expectAuditRecord } from "../fakes/audit-schema.ts";

const path = "/v1/service-accounts/outbound-calls/token";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "stack-test-"));
});
afterAll(() => rm(directory, { recursive: true }));

async function withStack(options: StackOptions, use: (stack: Stack) => Promise<void>): Promise<void> {
  const stack = await startStack({ directory, ...options });
  try {
    await use(stack);
  } finally {
    await stack.close();
  }
}

function identity({ identities }: Stack, part: string): Identity {
  const found = identities.find(({ userArn }) => userArn.includes(part));
  if (found === undefined) throw new Error(`no identity ${part}`);
  return found;
}

async function vend(stack: Stack, who: string, sign = smithy, body = ""): Promise<Response> {
  return send(await sign({ identity: identity(stack, who), url: stack.url + path, body }));
}

async function token(stack: Stack): Promise<TokenResponse> {
  return (await (await vend(stack, "user/ops/alice")).json()) as TokenResponse;
}

function keyId({ access_token }: TokenResponse): unknown {
  const header = access_token.split(".")[0] ?? "";
  return (JSON.parse(Buffer.from(header, "base64url").toString()) as { kid: unknown }).kid;
}

describe("the local stack, through the built bundle", () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ directory });
  });
  afterAll(() => stack.close());

  const signers: [string, Sign][] = [
    ["the AWS SDK's signer", smithy],
    ["aws4", secondSigner],
  ];

  describe.each(signers)("with a request signed by %s,", (_, sign) => {
    const body = '{"ttl_seconds":60}';
    const signed = () =>
      sign({ identity: identity(stack, "role/billing-worker"), url: stack.url + path, body });

    it("vends a token that the Management API accepts", async () => {
      const response = await send(await signed());
      expect(response.status).toBe(200);
      const { access_token } = (await response.json()) as TokenResponse;
      const answer = await fetch(`${stack.managementApi.apiUrl}/GetAccountInfo`, {
        headers: { Authorization: `Bearer ${access_token}` },
      });
      expect(await answer.json()).toMatchObject({ result: { account_id: 1234567 } });
    });

    it.each<[string, (request: SignedRequest) => SignedRequest]>([
      ["the body", (request) => ({ ...request, body: body.replace("60", "61") })],
      [
        "the path",
        (request) => ({ ...request, url: request.url.replace("outbound-calls", "outbound-call5") }),
      ],
      ["the date", (request) => changeHeader(request, "x-amz-date", 13)],
      ["the signature", (request) => changeHeader(request, "authorization", -1)],
    ])("answers 403 when one byte of %s is changed", async (_, change) => {
      const response = await send(change(await signed()));
      expect(response.status).toBe(403);
      expect(await response.json()).toMatchObject({ error: "not_authorized" });
    });
  });

  function changeHeader(request: SignedRequest, name: string, at: number): SignedRequest {
    const headers = Object.entries(request.headers).map(([key, value]) => {
      if (key.toLowerCase() !== name) return [key, value];
      const changed = value.at(at) === "0" ? "1" : "0";
      return [key, value.slice(0, at) + changed + (at === -1 ? "" : value.slice(at + 1))];
    });
    return { ...request, headers: Object.fromEntries(headers) as Record<string, string> };
  }

  it("vends a token to curl (skipped without curl 7.75 or later)", async (context) => {
    const version = /^curl (\d+)\.(\d+)/.exec(spawnSync("curl", ["--version"]).stdout.toString());
    if (version === null || Number(version[1]) * 1000 + Number(version[2]) < 7075) context.skip();
    const { accessKeyId, secretAccessKey } = identity(stack, "user/ops/alice");
    const { stdout } = await promisify(execFile)("curl", [
      ...["--silent", "--aws-sigv4", "aws:amz:us-east-1:execute-api", "-X", "POST"],
      ...["--user", `${accessKeyId}:${secretAccessKey}`, stack.url + path],
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ token_type: "Bearer", service_account: "outbound-calls" });
  });

  it.each([
    ["a role without a grant, whatever its session is called", "role/intern"],
    ["a role of the right name in another account", "444455556666"],
  ])("refuses %s", async (_, who) => {
    const response = await vend(stack, who);
    expect(response.status).toBe(403);
    expect((await response.json()) as ErrorResponse).toMatchObject({ error: "access_denied" });
  });

  it("shows the function's log, with an audit record before the answer and without a token", async () => {
    const from = stack.lines.length;
    const { access_token } = await token(stack);
    const written = stack.lines.slice(from);
    expect(written.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { type: "audit", principal: "arn:aws:iam::111122223333:user/ops/alice" },
    ]);
    expect(written.join()).not.toContain(access_token.slice(-16));
    for (const line of written) expectAuditRecord(JSON.parse(line) as object);
  });

  it("stores the service accounts' keys in mode 0600, and uses them again after a restart", async () => {
    const files = (await readdir(directory)).sort();
    expect(files).toEqual(["call-history_private.json", "outbound-calls_private.json"]);
    for (const file of files) expect((await stat(join(directory, file))).mode & 0o777).toBe(0o600);
    const before = keyId(await token(stack));
    await withStack({}, async (again) => {
      expect(keyId(await token(again))).toBe(before);
    });
  });

  it("creates a key of the Voximplant account that the grants file names", async () => {
    const own = await mkdtemp(join(tmpdir(), "stack-account-"));
    const grantsFile = join(own, "grants.yml");
    const sample = await readFile(join(import.meta.dirname, "../../local/grants.yml"), "utf8");
    await writeFile(grantsFile, sample.replaceAll("accountId: 1234567", "accountId: 424242"));
    try {
      await withStack({ directory: own, grantsFile }, async (other) => {
        const { account_id, access_token } = await token(other);
        expect(account_id).toBe(424242);
        const url = new URL(`${other.managementApi.apiUrl}/GetKeys`);
        const answer = await fetch(url, { headers: { Authorization: `Bearer ${access_token}` } });
        expect(await answer.json()).not.toHaveProperty("error");
      });
    } finally {
      await rm(own, { recursive: true });
    }
  });

  it("sends the other event format if configured", async () => {
    await withStack({ payloadFormat: "2.0" }, async (stack) => {
      expect((await vend(stack, "role/nightly-report")).status).toBe(200);
    });
  });

  it("rotates by RotateSecret, and signs with the new key afterwards", async () => {
    await withStack({ env: { SIGNING_KEY_TTL_SECONDS: "0" } }, async (stack) => {
      const before = keyId(await token(stack));
      await fetch(stack.secretsUrl, {
        method: "POST",
        headers: { "X-Amz-Target": "secretsmanager.RotateSecret" },
        body: JSON.stringify({ SecretId: "voximplant/outbound-calls", ClientRequestToken: randomUUID() }),
      });
      await stack.secretsManager?.rotationsSettled();
      expect(keyId(await token(stack))).not.toBe(before);
    });
  });
});

it("a function that does not start when it is first called has the reason in its log", async () => {
  const lines: string[] = [];
  const functions = await buildFunctions(await loadPolicy("local/grants.yml"), {
    env: { VOXIMPLANT_API_URL: "http://example.com" },
    onLine: (line) => lines.push(line),
  });
  await expect(functions.invoke("rotate-key", {})).rejects.toThrow(FunctionError);
  await functions.close();
  expect(lines.join("\n")).toMatch(/The function rotate-key did not start: [^]*VOXIMPLANT_API_URL/);
});

describe("an existing Secrets Manager", () => {
  const env = { AWS_REGION: "us-east-1", AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" };

  it("is used instead of the stand-in: its secrets stay, and missing ones are created", async () => {
    const external = await startSecretsManager({ secrets: { "voximplant/outbound-calls": "not a key" } });
    await withStack({ externalSecretsManager: { url: external.url, env } }, async (stack) => {
      expect(stack.secretsManager).toBeUndefined();
      expect((await vend(stack, "user/ops/alice")).status).toBe(500);
      expect(stack.lines.join()).toContain("voximplant/outbound-calls");
      expect([...external.secrets.keys()]).toEqual(["voximplant/outbound-calls", "voximplant/call-history"]);
    });
    await external.close();
  });

  it("may be unreachable when the stack starts: callers get 503 with Retry-After", async () => {
    const { url, close } = await startSecretsManager();
    await close();
    await withStack({ externalSecretsManager: { url, env } }, async (stack) => {
      const response = await vend(stack, "user/ops/alice");
      expect(response.status).toBe(503);
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(stack.lines.join("\n")).toContain(`cannot be read from ${url}`);
    });
  });
});
