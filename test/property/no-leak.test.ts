import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { jsonLog } from "../../lib/audit/log.ts";
import { indexGrants } from "../../lib/grants/authorize.ts";
import type { TokenResponse } from "../../lib/http/wire.ts";
import { SecretUnavailableError } from "../../lib/keys/fetch-secret.ts";
import { holdSigningKeys } from "../../lib/keys/signing-keys.ts";
import { createVendHandler } from "../../lib/vend.ts";
import { makeKeyFile } from "../fakes/credentials.ts";
import { billingWorker, httpEvent, restEvent } from "../fakes/events.ts";
import { grant, roleArn, serviceAccount } from "../fakes/policy.ts";
import { expectAuditRecord } from "../fakes/audit-schema.ts";

const WINDOW = 16;
const keyFile = makeKeyFile();
const value = JSON.stringify(keyFile);

/** Every run of 16 characters in a text. */
function windowsOf(text: string): Set<string> {
  const windows = new Set<string>();
  for (let start = 0; start + WINDOW <= text.length; start++) windows.add(text.slice(start, start + WINDOW));
  return windows;
}

const leaksOf = (secret: Set<string>, text: string) => [...windowsOf(text)].filter((run) => secret.has(run));

// The armour lines say that there is a key, not what it is.
const base64 = keyFile.private_key.replace(/-----[A-Z ]+-----/g, "").replaceAll("\n", "");
const keyWindows = windowsOf(base64);

/** What a broken import, a bad copy or a hostile editor could have put in the secret. */
const secretValue = fc.oneof(
  { weight: 10, arbitrary: fc.constant(value) },
  fc.nat(value.length).map((length) => value.slice(0, length)),
  fc.nat(value.length).map((start) => value.slice(start)),
  fc
    .tuple(fc.nat(value.length), fc.string())
    .map(([at, junk]) => value.slice(0, at) + junk + value.slice(at + 1)),
  fc.constant(keyFile.private_key),
  fc.constant(JSON.stringify(keyFile.private_key)),
  fc.constant(JSON.stringify({ ...keyFile, key_id: keyFile.private_key })),
  fc.constant(JSON.stringify({ ...keyFile, account_id: keyFile.private_key })),
  fc.constant(JSON.stringify({ ...keyFile, private_key: [keyFile.private_key] })),
  fc.constant(JSON.stringify({ ...keyFile, private_key: keyFile.private_key.replace("MII", "MIJ") })),
  fc.constant(JSON.stringify({ [keyFile.private_key]: keyFile })),
);

const request = fc.record({
  makeEvent: fc.constantFrom(restEvent, httpEvent),
  method: fc.constantFrom("POST", "POST", "POST", "GET"),
  path: fc.oneof(
    { weight: 4, arbitrary: fc.constant("/v1/service-accounts/outbound-calls/token") },
    fc.constant("/v1/service-accounts"),
    fc.string(),
  ),
  userArn: fc.oneof({ weight: 4, arbitrary: fc.constant(billingWorker) }, fc.string(), fc.constant(null)),
  body: fc.oneof(
    { weight: 4, arbitrary: fc.constant(null) },
    { weight: 4, arbitrary: fc.constant('{"ttl_seconds":60}') },
    fc.json(),
    fc.string(),
  ),
});

describe("for any request and any secret", () => {
  it("no answer, log line, audit record or error contains 16 characters of the key or of a token's signature", async () => {
    let vended = 0;
    await fc.assert(
      fc.asyncProperty(
        request,
        secretValue,
        fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, fc.constant(false)),
        async ({ makeEvent, ...fields }, stored, reachable) => {
          const lines: string[] = [];
          const write = (line: string) => void lines.push(line);
          const handler = createVendHandler({
            deployment: "vendor-dev",
            grants: indexGrants({
              serviceAccounts: [serviceAccount("outbound-calls")],
              grants: [grant([roleArn("billing-worker")], ["outbound-calls"])],
            }),
            getSigningKey: holdSigningKeys({
              fetchSecret: (secret) =>
                reachable
                  ? Promise.resolve({ value: stored, versionId: "version-1" })
                  : Promise.reject(new SecretUnavailableError(secret, new Error("socket hang up"))),
              ttlSeconds: 300,
              maxStaleSeconds: 3600,
              now: Date.now,
              random: Math.random,
            }),
            writeAudit: write,
            log: jsonLog(write, Date.now),
            now: Date.now,
            newId: () => "7d444840-9dc0-11d1-b245-5ffdce74fad2",
          });

          const { statusCode, body } = await handler(makeEvent(fields), { awsRequestId: "lambda-1" });

          for (const line of lines) {
            const written = JSON.parse(line) as { type?: string };
            if (written.type === "audit") expectAuditRecord(written);
          }
          let said = [...lines, body].join("\n");
          if (statusCode === 200 && body.includes("access_token")) {
            vended += 1;
            const { access_token } = JSON.parse(body) as TokenResponse;
            const signature = windowsOf(access_token.split(".")[2] ?? "");
            expect(signature.size).toBeGreaterThan(300);
            said = said.replace(access_token, "");
            expect(leaksOf(signature, said)).toEqual([]);
          }
          expect(leaksOf(keyWindows, said)).toEqual([]);
        },
      ),
      { numRuns: 500 },
    );
    expect(vended).toBeGreaterThan(20);
  });

  it("this test detects a leak of 16 characters and of no fewer", () => {
    // Between characters that base64 does not have: a letter could happen to continue the key.
    expect(leaksOf(keyWindows, `.${base64.slice(40, 56)}.`)).toHaveLength(1);
    expect(leaksOf(keyWindows, `.${base64.slice(40, 55)}\n.`)).toEqual([]);
  });
});
