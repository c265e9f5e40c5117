import { describe, expect, it, onTestFinished } from "vitest";
import { openUpstream, type UpstreamOptions } from "../../lib/serve/open-upstream.ts";
import type { EntitlementsResponse } from "../../lib/http/wire.ts";
import { answers, type Behaviour, refuses, startVendor, vends } from "../fakes/vendor-server.ts";
import { credentials } from "../client/set-up.ts";

type Entitlement = EntitlementsResponse["service_accounts"][number];

const methodsOnly: Entitlement = {
  name: "outbound-calls",
  tokens: false,
  child_account_ids: [7654321],
  methods: ["StartScenarios"],
};
const tokens: Entitlement = { ...methodsOnly, tokens: true, max_ttl_seconds: 300 };

const entitled = (...service_accounts: Entitlement[]): Behaviour =>
  answers(200, JSON.stringify({ principal: "arn:aws:iam::111122223333:role/dialer", service_accounts }));
/** As API Gateway answers where the caller's IAM policy does not allow the path. */
const forbidden = refuses(403, "not_authorized", "User: … is not authorized to perform: execute-api:Invoke");

async function open(
  behaviours: readonly Behaviour[],
  options: Partial<UpstreamOptions> = {},
  timeoutMs?: number,
) {
  const vendor = await startVendor(behaviours);
  onTestFinished(vendor.close);
  const clock = { ms: 0 };
  const opening = openUpstream({
    vendor: { url: vendor.url, credentials, rounds: 1, timeoutMs },
    serviceAccount: "outbound-calls",
    ttlSeconds: undefined,
    accountId: undefined,
    apiUrl: "https://api.voximplant.com/platform_api",
    fetch: () => Promise.reject(new Error("This test has no network.")),
    monotonic: () => clock.ms,
    ...options,
  });
  const paths = () => vendor.requests.map(({ path }) => path.replace("/prod/v1/service-accounts", ""));
  return { opening, paths, clock };
}

describe("where requests of an official client go", () => {
  it("is the service for a caller who gets no token, and no token is requested", async () => {
    const { opening, paths } = await open([entitled(methodsOnly), answers(200, '{"result":1}')]);
    const { forward, what, accountId } = await opening;
    expect({ what, accountId }).toEqual({ what: "calls of StartScenarios for outbound-calls", accountId: 1 });
    const response = await forward("https://api.voximplant.com/platform_api/StartScenarios", {
      method: "POST",
    });
    expect(await response.json()).toEqual({ result: 1 });
    expect(paths()).toEqual(["", "/outbound-calls/methods/StartScenarios"]);
  });

  it("is the Management API for a caller who gets tokens and may have methods called", async () => {
    const { opening, paths } = await open([entitled(tokens), vends()]);
    expect(await opening).toMatchObject({ what: "outbound-calls of account 1234567", accountId: 1234567 });
    expect(paths()).toEqual(["", "/outbound-calls/token"]);
  });

  it("is the Management API for a caller whose IAM policy allows nothing but tokens", async () => {
    const { opening } = await open([forbidden, vends()]);
    expect(await opening).toHaveProperty("accountId", 1234567);
  });

  it.each<[string, readonly Behaviour[], string]>([
    ["has no grant", [entitled(), refuses(403, "access_denied", "…")], "access_denied"],
    ["may call nothing by IAM", [forbidden, forbidden], "not_authorized"],
    ["finds the service broken", [refuses(500, "internal_error", "…")], "internal_error"],
  ])("is nowhere for a caller who %s", async (_, behaviours, code) => {
    const { opening } = await open(behaviours);
    await expect(opening).rejects.toMatchObject({ code });
  });

  it("is nowhere for a child account that the grant does not list", async () => {
    const { opening } = await open([entitled(methodsOnly)], { accountId: 999 });
    await expect(opening).rejects.toMatchObject({ code: "access_denied" });
  });

  it("is the service for a child account that the grant lists", async () => {
    const { opening } = await open([entitled(methodsOnly)], { accountId: 7654321 });
    expect(await opening).toHaveProperty("accountId", 7654321);
  });
});

describe("the health of a caller who gets no token", () => {
  it("is asked of the service at most once a minute", async () => {
    const { opening, paths, clock } = await open([entitled(methodsOnly)]);
    const { checkHealth } = await opening;
    for (let probe = 0; probe < 10; probe += 1) await checkHealth();
    expect(paths()).toHaveLength(2);
    clock.ms += 60_000;
    await checkHealth();
    expect(paths()).toHaveLength(3);
  });

  it("fails once the grant is gone, and is then asked each time", async () => {
    const { opening, paths } = await open([entitled(methodsOnly), entitled()]);
    const { checkHealth } = await opening;
    for (let probe = 0; probe < 3; probe += 1) {
      await expect(checkHealth()).rejects.toMatchObject({ code: "access_denied" });
    }
    expect(paths()).toHaveLength(4);
  });
});

it("a call of a method ends with the time limit that was given", async () => {
  const { opening } = await open([entitled(methodsOnly), () => undefined], {}, 300);
  const { forward } = await opening;
  const url = "https://api.voximplant.com/platform_api/StartScenarios";
  await expect(forward(url, { method: "POST" })).rejects.toMatchObject({ code: "timeout" });
});
