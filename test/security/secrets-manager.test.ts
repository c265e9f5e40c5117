import { createPrivateKey, createPublicKey } from "node:crypto";
import { Readable } from "node:stream";
import { HttpResponse } from "@smithy/core/protocols";
import jsonwebtoken from "jsonwebtoken";
import { describe, expect, it } from "vitest";
import { jsonLog } from "../../lib/audit/log.ts";
import { indexGrants } from "../../lib/grants/authorize.ts";
import type { TokenResponse } from "../../lib/http/wire.ts";
import { fetchFromSecretsManager } from "../../lib/keys/fetch-secret.ts";
import { holdSigningKeys } from "../../lib/keys/signing-keys.ts";
import { createVendHandler } from "../../lib/vend.ts";
import { AT_LENGTH } from "../fakes/at-length.ts";
import { expectAuditRecord } from "../fakes/audit-schema.ts";
import { makeEcPem, makeKeyFile, makeRsaPem } from "../fakes/credentials.ts";
import { restEvent } from "../fakes/events.ts";
import { grant, roleArn, serviceAccount } from "../fakes/policy.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

/** A Secrets Manager in other hands, behind the AWS SDK's own client. */

const SECRET = "voximplant/outbound-calls";
const pem = rsaPem();
const otherPem = rsaPem();
const file = makeKeyFile({ private_key: pem, key_id: "key-1" });
const base64Of = (text: string) => text.replace(/-----[A-Z ]+-----/g, "").replace(/\s/g, "");

interface Reply {
  readonly status?: number;
  readonly body: string | Readable;
}

const answer = (fields: object): Reply => ({
  body: JSON.stringify({ Name: SECRET, VersionId: "version-1", CreatedDate: 1_795_000_000, ...fields }),
});
const holds = (value: unknown, fields: object = {}): Reply =>
  answer({ SecretString: typeof value === "string" ? value : JSON.stringify(value), ...fields });
const fails = (type: string, message: string, status = 400): Reply => ({
  status,
  body: JSON.stringify({ __type: type, message, Message: message }),
});

/**
 * A function that gets these replies, the last one again and again, and all that it has written.
 */
function vendor(...replies: readonly Reply[]) {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  let now = Date.UTC(2026, 10, 24, 12);
  let asked = 0;
  const fetchSecret = fetchFromSecretsManager({
    region: "us-east-1",
    credentials: { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "example" },
    maxAttempts: 1,
    requestHandler: {
      handle: () => {
        const { status = 200, body = "" } = replies[Math.min(asked++, replies.length - 1)] ?? {};
        const stream = typeof body === "string" ? Readable.from([Buffer.from(body)]) : body;
        const headers = { "content-type": "application/x-amz-json-1.1" };
        return Promise.resolve({ response: new HttpResponse({ statusCode: status, headers, body: stream }) });
      },
    },
  });
  const handler = createVendHandler({
    deployment: "vendor-dev",
    grants: indexGrants({
      serviceAccounts: [serviceAccount("outbound-calls", { accountId: 1234567 })],
      grants: [grant([roleArn("billing-worker")], ["outbound-calls"], { maxTtlSeconds: 300 })],
    }),
    getSigningKey: holdSigningKeys({
      fetchSecret,
      ttlSeconds: 300,
      maxStaleSeconds: 3600,
      now: () => now,
      random: () => 0,
    }),
    writeAudit: write,
    log: jsonLog(write, () => now),
    now: () => now,
    newId: () => "7d444840-9dc0-11d1-b245-5ffdce74fad2",
  });
  return {
    lines,
    wait: (seconds: number) => (now += seconds * 1000),
    /** The token that a request gets, or undefined. */
    ask: async (): Promise<string | undefined> => {
      const { statusCode, body } = await handler(restEvent(), { awsRequestId: "lambda-1" });
      lines.push(statusCode === 200 ? "" : body);
      for (const line of lines.filter((one) => one.includes('"type":"audit"'))) {
        expectAuditRecord(JSON.parse(line) as object);
      }
      if (statusCode === 200) return (JSON.parse(body) as TokenResponse).access_token;
      expect([500, 503]).toContain(statusCode);
      return undefined;
    },
  };
}

/**
 * Expects that a token is what the policy allows: of the granted account, by its key, for 300 s at
 * most.
 */
function expectAllowed(token: string | undefined): void {
  const claims = jsonwebtoken.verify(token ?? "", createPublicKey(pem), {
    algorithms: ["RS256"],
    ignoreExpiration: true,
  }) as { iss: unknown; iat: number; exp: number };
  expect(claims.iss).toBe(1234567);
  expect(claims.exp - claims.iat).toBeLessThanOrEqual(305);
}

/** Expects that nothing written has 16 characters of any of these texts. */
function expectNothingOf(texts: readonly string[], lines: readonly string[]): void {
  const said = lines.join("\n");
  for (const text of texts.map(base64Of)) {
    const runs = Array.from({ length: Math.max(0, text.length - 15) }, (_, at) => text.slice(at, at + 16));
    expect(runs.filter((run) => said.includes(run))).toEqual([]);
  }
}

const publicPem = createPublicKey(pem).export({ type: "spki", format: "pem" }).toString();
const ecPem = makeEcPem();
const shortPem = makeRsaPem(1024);
const encrypted = createPrivateKey(pem)
  .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" })
  .toString();
const nonsense = "q7".repeat(32_768);
const escaped = JSON.stringify(pem).slice(1, -1);
const text = JSON.stringify(file);

describe("a Secrets Manager in other hands", () => {
  it.each<[string, Reply]>([
    ["the key of another account", holds({ ...file, account_id: 9999999 })],
    ["another service account's key in its own account", holds(makeKeyFile({ account_id: 7654321 }))],
    ["an account id as text", holds({ ...file, account_id: "1234567" })],
    ["an account id beyond whole numbers", holds(text.replace("1234567", "1234567.0000001"))],
    ["65,536 bytes of nonsense", holds(nonsense)],
    ["65,536 bytes of nonsense as a key", holds({ ...file, private_key: nonsense })],
    ["nothing", answer({})],
    ["an empty text", holds("")],
    ["another account, in the second of two members", holds(`${text.slice(0, -1)},"account_id":9999999}`)],
    ["no key, in the second of two members", holds(`${text.slice(0, -1)},"private_key":null}`)],
    ["the members of a prototype", holds(`{"__proto__": ${text}}`)],
    ["the members of a constructor", holds(`{"constructor": {"prototype": ${text}}}`)],
    ["a list", holds([file])],
    ["an EC key", holds({ ...file, private_key: ecPem })],
    ["a key of 1024 bits", holds({ ...file, private_key: shortPem })],
    ["a public key", holds({ ...file, private_key: publicPem })],
    ["an encrypted key", holds({ ...file, private_key: encrypted })],
    ["a key id with control characters", holds({ ...file, key_id: "key\u001b[31m\r\n\u0000" })],
    ["a key id of 10 kB", holds({ ...file, key_id: "k".repeat(10_240) })],
    ["the key as its id", holds({ ...file, key_id: pem })],
    ["nonsense in binary", answer({ SecretBinary: Buffer.from(nonsense).toString("base64") })],
    ["bytes that are no UTF-8", answer({ SecretBinary: Buffer.from([0xff, 0xfe, 0x00]).toString("base64") })],
    ["an answer for another name", holds(file, { Name: "voximplant/call-history" })],
    ["an answer for a name with the key in it", holds(file, { Name: pem })],
    ["a refusal that quotes the key", fails("AccessDeniedException", `not for ${pem}`)],
    ["a refusal that quotes the key in one line", fails("DecryptionFailure", `not for ${base64Of(pem)}`)],
    ["a refusal that quotes the key escaped", fails("InvalidRequestException", `value ${escaped}`)],
    ["a failure that quotes the secret", fails("InternalServiceError", `value ${text}`, 500)],
    ["an error of a made-up name", fails(base64Of(pem), "no")],
    ["an answer that breaks off", { body: `{"SecretString": ${JSON.stringify(text).slice(0, 900)}` }],
    ["no JSON", { body: pem }],
  ])("causes no token and shows nothing of it: %s", async (_, reply) => {
    const { ask, lines } = vendor(reply);
    expect(await ask()).toBeUndefined();
    expectNothingOf([pem, ecPem, shortPem, publicPem, encrypted, nonsense], lines);
    expect(lines.join("\n")).not.toMatch(/k{129}|\\u001b/);
    expect(Object.prototype).not.toHaveProperty("account_id");
  });

  it.each<[string, Reply]>([
    ["as usual", holds(file)],
    ["in binary", answer({ SecretBinary: Buffer.from(text).toString("base64") })],
    ["with nonsense in binary beside it", holds(file, { SecretBinary: nonsense.slice(0, 64) })],
    ["with its account in the second of two members", holds(text.replace("{", '{"account_id":9999999,'))],
    ["with other members of a prototype", holds(text.replace("{", '{"__proto__":{"account_id":9999999},'))],
    ["with the key as its version", holds(file, { VersionId: pem })],
    ["with a version of 10 kB", holds(file, { VersionId: "k".repeat(10_240) })],
    ["created in the future", holds(file, { CreatedDate: 1e10 })],
  ])("gets the service no other token than the granted one: %s", async (_, reply) => {
    const { ask, lines } = vendor(reply);
    expectAllowed(await ask());
    expectNothingOf([pem, nonsense], lines);
    expect(lines.join("\n")).not.toMatch(/k{129}/);
  });

  it("causes allowed tokens alone while its answers alternate", async () => {
    const other = holds({ ...file, account_id: 9999999, private_key: otherPem });
    const replies = [holds(file), other, fails("InternalServiceError", text, 500), holds(nonsense)];
    const { ask, wait, lines } = vendor(...Array.from({ length: 5 }, () => replies).flat());
    let vended = 0;
    for (let round = 0; round < 20; round++) {
      const token = await ask();
      if (token !== undefined) {
        vended += 1;
        expectAllowed(token);
      }
      wait(301);
    }
    expect(vended).toBe(5);
    expectNothingOf([pem, otherPem, nonsense], lines);
  });

  it.runIf(AT_LENGTH)("is given up within three seconds if its answer has no end", async () => {
    const { ask } = vendor({ body: new Readable({ read: () => undefined }) });
    const began = performance.now();
    expect(await ask()).toBeUndefined();
    expect(performance.now() - began).toBeLessThan(3500);
  });
});
