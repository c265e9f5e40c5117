import { randomUUID } from "node:crypto";

import { afterEach, expect, it } from "vitest";

import { indexGrants } from "../../lib/grants/authorize.ts";
import {
  fetchFromSecretsManager,
  type FetchSecret,
  SecretUnavailableError,
} from "../../lib/keys/fetch-secret.ts";
import { holdSigningKeys } from "../../lib/keys/signing-keys.ts";
import type { TokenResponse } from "../../lib/http/wire.ts";
import { reconcileKeys } from "../../lib/reconciliation/reconcile-keys.ts";
import { rotateKey } from "../../lib/rotation/rotate-key.ts";
import { createVendHandler } from "../../lib/vend.ts";
import { openManagementApi } from "../../lib/voximplant/methods.ts";
import { restEvent } from "../fakes/events.ts";
import { GRACE_MS, LIFETIMES, policyFor, startWorld, type World } from "./world.ts";

let world: World;
afterEach(() => world.close());

const policy = {
  ...policyFor({ "outbound-calls": { maxTtlSeconds: 3600 } }),
  grants: [
    {
      source: "grants.yml:9",
      principals: [{ source: "grants.yml:10", arn: "arn:aws:iam::111122223333:role/billing-worker" }],
      serviceAccounts: ["outbound-calls"],
      maxTtlSeconds: 3600,
      childAccountIds: [],
    },
  ],
};

/**
 * One container of the real vending function, with its own cache, and a Secrets Manager that it may
 * lose sight of.
 */
function startContainer(isCutOff: () => boolean) {
  const fetchForReal = fetchFromSecretsManager({
    endpoint: world.urls.secrets,
    region: "us-east-1",
    credentials: { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "example" },
  });
  const fetchSecret: FetchSecret = (secret) =>
    isCutOff()
      ? Promise.reject(new SecretUnavailableError(secret, new Error("cut off")))
      : fetchForReal(secret);
  const handle = createVendHandler({
    deployment: "vendor-dev",
    grants: indexGrants(policy),
    getSigningKey: holdSigningKeys({
      fetchSecret,
      ttlSeconds: LIFETIMES.signingKeyTtlSeconds,
      maxStaleSeconds: LIFETIMES.signingKeyMaxStaleSeconds,
      now: () => world.clock.now,
      random: () => 0,
    }),
    writeAudit: () => undefined,
    log: () => undefined,
    now: () => world.clock.now,
    newId: randomUUID,
  });
  return async (): Promise<TokenResponse> => {
    const event = restEvent({ body: '{"ttl_seconds": 3600}' });
    const { statusCode, body } = await handle(event, { awsRequestId: "request" });
    expect(statusCode).toBe(200);
    return JSON.parse(body) as TokenResponse;
  };
}

/** Asks the platform. @throws where it refuses the token. */
async function use({ access_token: token }: TokenResponse) {
  await openManagementApi({ ...world.connection, fetch: world.platform.fetch }, () => ({
    token,
  })).getAccountInfo();
}

const STEP_MS = 60_000;

/**
 * Three hours in steps of a minute. Two containers vend the longest tokens there are, one of them
 * cut off from Secrets Manager just before the rotation and for as long as it may be. Each token is
 * used at once and again just before its end.
 */
it("every token vended during a rotation and a retirement is accepted until its last second", async () => {
  world = await startWorld({ http: true, rotate: (event) => rotateKey(world.ports, policy, event) });
  const begin = world.clock.now;
  const minute = () => Math.round((world.clock.now - begin) / STEP_MS);
  let cutOff = false;
  const containers = [startContainer(() => false), startContainer(() => cutOff)];
  const vended: TokenResponse[] = [];
  const keysUsed = new Set<string>();
  let rotation: Promise<void> | undefined;
  const outlived: TokenResponse[] = [];

  while (minute() < 240) {
    if (minute() === 30) {
      await containers[1]?.();
      cutOff = true;
      for (const event of world.stagePending())
        rotation = (rotation ?? Promise.resolve()).then(() => rotateKey(world.ports, policy, event));
    }
    // The container's key is refused from then on: an alarm's business, not this test's.
    const reachable = minute() < 30 + 65 ? containers : containers.slice(0, 1);
    const tokens = await Promise.all(reachable.map((vend) => vend()));
    await Promise.all(tokens.map(use));
    vended.push(...tokens);
    for (const { access_token: token } of tokens) keysUsed.add(keyIdOf(token));
    if (minute() === 30) await rotation;
    if (minute() % 15 === 0) await reconcileKeys(world.ports, policy);

    const last = vended.filter(({ expires_at }) => Date.parse(expires_at) - world.clock.now <= STEP_MS);
    vended.splice(0, last.length);
    await Promise.all(last.filter((token) => Date.parse(token.expires_at) > world.clock.now).map(use));
    outlived.push(...last);
    world.clock.now += STEP_MS;
  }

  expect(outlived.length).toBeGreaterThan(200);
  expect(keysUsed.size).toBe(2);
  expect(GRACE_MS).toBeLessThan(180 * STEP_MS);
  expect([...world.platform.keys.keys()]).toEqual([world.keyWith("AWSCURRENT")]);
});

function keyIdOf(token: string): string {
  const [header = ""] = token.split(".");
  return (JSON.parse(Buffer.from(header, "base64url").toString()) as { kid: string }).kid;
}
