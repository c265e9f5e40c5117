import { SecretsManagerClient, RotateSecretCommand } from "@aws-sdk/client-secrets-manager";
import { decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, expect, it } from "vitest";

import { callApi, createTokenProvider } from "../../lib/client/index.ts";
import { type Stack, startStack } from "../../local/stack.ts";

const CALLERS = 4;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ env: { SIGNING_KEY_TTL_SECONDS: "1" } });
});
afterAll(() => stack.close());

/** Vends a token, uses it at once, and says which key signed it. Fails where either is refused. */
async function vendAndUse(): Promise<string> {
  const credentials = stack.identities.find(({ userArn }) =>
    userArn.includes(":assumed-role/nightly-report/"),
  );
  if (!credentials) throw new Error("local/identities.json has no session of nightly-report");
  // A new provider each time: what is tested is the function, not the client's cache.
  const getToken = createTokenProvider({
    url: stack.url,
    serviceAccount: "call-history",
    region: "us-east-1",
    credentials,
  });
  const { accessToken } = await getToken();
  await callApi(getToken, "GetAccountInfo", {}, { apiUrl: stack.managementApi.apiUrl });
  return decodeProtectedHeader(accessToken).kid ?? "";
}

it("all tokens that the deployed function vends during a rotation are accepted", async () => {
  const before = await vendAndUse();
  const keyIds: string[] = [];
  let rotated = false;
  const load = Array.from({ length: CALLERS }, async () => {
    // Until each caller has seen the new key: the held one is used for its second, then fetched
    // anew.
    for (let keyId = before; !rotated || keyId === before;) keyIds.push((keyId = await vendAndUse()));
  });

  const secretsManager = new SecretsManagerClient({
    endpoint: stack.secretsUrl,
    region: "us-east-1",
    credentials: { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "example" },
  });
  await secretsManager.send(new RotateSecretCommand({ SecretId: "voximplant/call-history" }));
  await stack.secretsManager?.rotationsSettled();
  rotated = true;
  await Promise.all(load);

  // The client would ask for another token after a refusal: so the platform is asked what it
  // refused.
  const refused = stack.managementApi.calls.filter(({ error }) => error !== undefined);
  expect(refused).toEqual([]);
  expect(new Set(keyIds).size).toBe(2);
  expect(keyIds.filter((keyId) => keyId === before).length).toBeGreaterThan(0);
});
