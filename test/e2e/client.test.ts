import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type voximplant from "@voximplant/apiclient-nodejs";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  callApi,
  createMethodCaller,
  createTokenProvider,
  createVoximplantFetch,
  fetchEntitlements,
  useVendedTokens,
} from "../../lib/client/index.ts";
import identities from "../../local/identities.json" with { type: "json" };
import { startStack, type Stack } from "../../local/stack.ts";

const require = createRequire(import.meta.url);
const { default: VoximplantApiClient } = require("@voximplant/apiclient-nodejs") as typeof voximplant;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.close());

const credentials = (name: string) => {
  const identity = identities.find(({ userArn }) => userArn.includes(`/${name}`));
  if (identity === undefined) throw new Error(`no identity ${name}`);
  return identity;
};
const provider = (name = "nightly-report", serviceAccount = "call-history") =>
  createTokenProvider({
    url: stack.url,
    serviceAccount,
    region: "us-east-1",
    credentials: credentials(name),
  });
const tokenCalls = () => stack.gateway.calls.filter(({ method }) => method === "POST").length;

describe("the client, against the gateway that verifies signatures", () => {
  it("makes one request for 1,000 concurrent calls, counted at the gateway", async () => {
    const before = tokenCalls();
    const getToken = provider();
    const tokens = await Promise.all(Array.from({ length: 1000 }, () => getToken()));
    expect(new Set(tokens.map(({ accessToken }) => accessToken)).size).toBe(1);
    expect(tokenCalls() - before).toBe(1);
  });

  it("gives a token that the Management API accepts", async () => {
    const body = await callApi(provider(), "GetAccountInfo", {}, { apiUrl: stack.managementApi.apiUrl });
    expect(body).toMatchObject({ result: { account_id: 1234567 } });
  });

  it("adds the token to a fetch of the program's own", async () => {
    const { apiUrl } = stack.managementApi;
    const response = await createVoximplantFetch(provider(), { apiUrl })(`${apiUrl}/GetAccountInfo`, {
      method: "POST",
    });
    expect(await response.json()).toMatchObject({ result: { account_id: 1234567 } });
  });

  it("lists the caller's identity and entitlements", async () => {
    const options = { url: stack.url, region: "us-east-1", credentials: credentials("billing-worker") };
    expect(await fetchEntitlements(options)).toEqual({
      principal: "arn:aws:iam::111122223333:role/billing-worker",
      serviceAccounts: [
        { name: "outbound-calls", maxTtlSeconds: 300, childAccountIds: [7654321], methods: [] },
      ],
    });
  });

  it.each([
    ["no grant", () => provider("intern"), "access_denied"],
    [
      "a wrong secret",
      () =>
        createTokenProvider({
          url: stack.url,
          serviceAccount: "call-history",
          region: "us-east-1",
          credentials: { ...credentials("nightly-report"), secretAccessKey: "wrong" },
        }),
      "not_authorized",
    ],
  ])("reports by its error code who refused the request: %s", async (_what, make, code) => {
    await expect(make()()).rejects.toMatchObject({ name: "TokenError", code, denied: true });
  });

  it("corrects a clock that is an hour wrong by the gateway's", async () => {
    const getToken = createTokenProvider({
      url: stack.url,
      serviceAccount: "call-history",
      region: "us-east-1",
      credentials: credentials("nightly-report"),
      runtime: { now: () => Date.now() + 3_600_000 },
    });
    await expect(getToken()).resolves.toMatchObject({ serviceAccount: "call-history" });
  });
});

describe("a method caller, against the gateway that verifies signatures", () => {
  const caller = (name: string) =>
    createMethodCaller({
      url: stack.url,
      serviceAccount: "outbound-calls",
      region: "us-east-1",
      credentials: credentials(name),
    });

  it("has a granted method called", async () => {
    expect(await caller("dialer")("StartScenarios", { rule_id: 42 })).toMatchObject({ result: 1 });
  });

  it.each([
    ["a method outside its IAM policy", "dialer", "CreateKey", "not_authorized"],
    ["a method, if its grant gives tokens alone", "billing-worker", "StartScenarios", "access_denied"],
  ])("is refused %s", async (_, name, method, code) => {
    await expect(caller(name)(method)).rejects.toMatchObject({ code, denied: true });
  });
});

describe("the official Node client with vended tokens", () => {
  it("calls the Management API without a key of its own", async () => {
    const folder = await mkdtemp(join(tmpdir(), "no-key-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, "no-key.json"), "{}");
    speakHttp();
    const { port } = stack.managementApi;
    const client = useVendedTokens(
      new VoximplantApiClient({ pathToCredentials: join(folder, "no-key.json"), host: `127.0.0.1:${port}` }),
      provider(),
    );
    const { result } = await client.Accounts.getAccountInfo({});
    expect(result.accountId).toBe(1234567);
    expect(stack.managementApi.calls.at(-1)).toMatchObject({ by: "token" });
  });
});

/**
 * The client speaks https and nothing else, and the stand-in speaks http: its HTTP library is told
 * so, for one test.
 */
function speakHttp(): void {
  interface Axios {
    interceptors: {
      request: { use(change: (config: { url: string }) => object): number; eject(id: number): void };
    };
  }
  const { interceptors } = createRequire(require.resolve("@voximplant/apiclient-nodejs"))("axios") as Axios;
  const id = interceptors.request.use((config) => ({
    ...config,
    url: config.url.replace("https:", "http:"),
  }));
  onTestFinished(() => {
    interceptors.request.eject(id);
  });
}
