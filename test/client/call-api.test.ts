import { inspect } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  callApi,
  createVoximplantFetch,
  TokenError,
  useVendedTokens,
  VoximplantError,
  VoximplantFileError,
  VoximplantUnavailableError,
} from "../../lib/client/index.ts";
import { fakeClock } from "../fakes/clock.ts";
import { answers, type Behaviour, startVendor, vends } from "../fakes/vendor-server.ts";
import { setUp } from "./set-up.ts";

const answer = (body: object, status = 200) =>
  answers(status, JSON.stringify(body), { "content-type": "application/json" });
const accepts = answer({ result: { account_id: 1234567 } });
const refuses = (code: number, status = 200) => answer({ error: { code, msg: "no" } }, status);

/** A token provider with a vendor behind it, and a Management API that behaves so. */
async function setUpApi(behaviours: readonly Behaviour[]) {
  const { vendor, getToken } = await setUp([vends()]);
  const api = await startVendor(behaviours);
  onTestFinished(api.close);
  const tokens = () => api.requests.map(({ headers }) => headers.authorization);
  const options = { apiUrl: api.url.replace("/prod", "/platform_api"), runtime: fakeClock().runtime };
  return { vendor, getToken, api, tokens, options };
}

describe("callApi", () => {
  it("throws VoximplantFileError if the method answers with a file, without repeating the call", async () => {
    const report = answers(200, "date;cost\n", { "content-type": "text/csv; charset=utf-8" });
    const { getToken, api, options } = await setUpApi([report]);
    const error: unknown = await callApi(getToken, "GetReport", {}, options).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(VoximplantFileError);
    expect(error).toMatchObject({ method: "GetReport", contentType: "text/csv", text: "date;cost\n" });
    expect(JSON.stringify(error) + inspect(error)).not.toContain("date;cost");
    expect(api.requests).toHaveLength(1);
  });

  it("repeats the call if a proxy answers with a page of HTML", async () => {
    const { getToken, api, options } = await setUpApi([
      answers(200, "<html>", { "content-type": "text/html" }),
      accepts,
    ]);
    await expect(callApi(getToken, "GetAccountInfo", {}, options)).resolves.toHaveProperty("result");
    expect(api.requests).toHaveLength(2);
  });

  it("calls a method whose name has an underscore", async () => {
    const { getToken, api, options } = await setUpApi([accepts]);
    await callApi(getToken, "SQ_AddQueue", {}, options);
    expect(api.requests[0]?.path).toBe("/platform_api/SQ_AddQueue");
  });

  it("sends the token and the parameters, and returns the whole answer", async () => {
    const { getToken, api, tokens, options } = await setUpApi([answer({ result: [], total_count: 0 })]);
    const body = await callApi(
      getToken,
      "GetCallHistory",
      { from_date: "2026-11-23 00:00:00", count: 5 },
      options,
    );
    expect(body).toEqual({ result: [], total_count: 0 });
    expect(api.requests[0]).toMatchObject({
      method: "POST",
      path: "/platform_api/GetCallHistory",
      body: "from_date=2026-11-23+00%3A00%3A00&count=5",
    });
    expect(tokens()).toEqual(["Bearer token-1"]);
  });

  it.each([
    ["the token has been revoked", 447, 200],
    ["its key was rotated while the token was cached", 433, 200],
    ["the token has expired", 456, 401],
    ["the platform does not say why", 100, 403],
  ])("requests one new token if %s (error %i with status %i)", async (_why, code, status) => {
    const { vendor, getToken, tokens, options } = await setUpApi([refuses(code, status), accepts]);
    await expect(callApi(getToken, "StartScenarios", {}, options)).resolves.toEqual({
      result: { account_id: 1234567 },
    });
    expect(tokens()).toEqual(["Bearer token-1", "Bearer token-2"]);
    expect(vendor.requests).toHaveLength(2);
  });

  it("requests no third token after two refusals", async () => {
    const { vendor, getToken, options } = await setUpApi([refuses(100)]);
    await expect(callApi(getToken, "GetUsers", {}, options)).rejects.toThrow(VoximplantError);
    expect(vendor.requests).toHaveLength(2);
  });

  it("requests one new token for 100 calls whose token was revoked", async () => {
    const { vendor, getToken, options } = await setUpApi([
      (response, request, n) => {
        const revoked = request.headers.authorization === "Bearer token-1";
        (revoked ? refuses(447) : accepts)(response, request, n);
      },
    ]);
    await Promise.all(Array.from({ length: 100 }, () => callApi(getToken, "GetUsers", {}, options)));
    expect(vendor.requests).toHaveLength(2);
  });

  it.each([
    [104, "forbidden"],
    [435, "invalidRoleSet"],
    [4711, undefined],
  ])("throws error %i of the platform, with its name if it has one", async (code, codeName) => {
    const { vendor, getToken, options } = await setUpApi([refuses(code, 403)]);
    await expect(callApi(getToken, "DeleteKey", {}, options)).rejects.toMatchObject({ code, codeName });
    expect(vendor.requests).toHaveLength(1);
  });

  it("repeats a Get method whose answer was lost, and other methods only if repeatable is set", async () => {
    const broken = answers(500, "oops");
    const get = await setUpApi([broken, accepts]);
    await callApi(get.getToken, "GetUsers", {}, get.options);
    const start = await setUpApi([broken, accepts]);
    await expect(callApi(start.getToken, "StartScenarios", {}, start.options)).rejects.toThrow(
      VoximplantUnavailableError,
    );
    expect(start.api.requests).toHaveLength(1);
    const told = await setUpApi([broken, accepts]);
    await callApi(told.getToken, "SetUserInfo", {}, { ...told.options, repeatable: true });
    expect(told.api.requests).toHaveLength(2);
  });

  it("refuses a path in place of a method name", async () => {
    const { getToken, vendor } = await setUp([vends()]);
    await expect(callApi(getToken, "../admin")).rejects.toThrow(TokenError);
    expect(vendor.requests).toHaveLength(0);
  });
});

describe("createVoximplantFetch", () => {
  it("puts the token on a request and leaves the response unread", async () => {
    const { getToken, tokens, api, options } = await setUpApi([accepts]);
    const voximplantFetch = createVoximplantFetch(getToken, options);
    const response = await voximplantFetch(`${options.apiUrl}/GetAccountInfo`, {
      method: "POST",
      body: new URLSearchParams({ a: "1" }),
    });
    expect(await response.json()).toEqual({ result: { account_id: 1234567 } });
    expect(tokens()).toEqual(["Bearer token-1"]);
    expect(api.requests[0]?.body).toBe("a=1");
  });

  it("replaces a refused token once, and sends the same body again", async () => {
    const { getToken, tokens, api, options } = await setUpApi([refuses(456, 401), accepts]);
    const voximplantFetch = createVoximplantFetch(getToken, options);
    const response = await voximplantFetch(`${options.apiUrl}/GetUsers`, { method: "POST", body: "a=1" });
    expect(response.status).toBe(200);
    expect(tokens()).toEqual(["Bearer token-1", "Bearer token-2"]);
    expect(api.requests.map(({ body }) => body)).toEqual(["a=1", "a=1"]);
  });

  it.each([
    "https://example.com/",
    "https://voximplant.com.example.com/",
    "http://api.voximplant.com/platform_api/X",
  ])("sends no token to %s", async (foreign) => {
    const { getToken, vendor, options } = await setUpApi([accepts]);
    await expect(createVoximplantFetch(getToken, options)(foreign)).rejects.toThrow("no token is sent there");
    expect(vendor.requests).toHaveLength(0);
  });
});

describe("useVendedTokens", () => {
  /** Stands for the official client in what matters here; test/e2e has the real one. */
  function fakeClient(answersOf: (header: string) => unknown) {
    return {
      headers: [] as string[],
      generateAuthHeader: () => "Bearer signed-with-a-key",
      async makeRequest(method: string) {
        const header = this.generateAuthHeader();
        this.headers.push(`${method}: ${header}`);
        const answer = await Promise.resolve(answersOf(header));
        if (answer instanceof Error) throw answer;
        return answer;
      },
    };
  }

  it("gives each request a vended token, and replaces a refused one once", async () => {
    const { getToken } = await setUp([vends()]);
    const client = useVendedTokens(
      fakeClient((header) => (header === "Bearer token-1" ? { error: { code: 456 } } : { result: 1 })),
      getToken,
    );
    expect(await client.makeRequest("GetUsers")).toEqual({ result: 1 });
    expect(client.headers).toEqual(["GetUsers: Bearer token-1", "GetUsers: Bearer token-2"]);
  });

  it("removes the token from errors of the client's HTTP library", async () => {
    const { getToken } = await setUp([vends()]);
    const client = useVendedTokens(
      fakeClient((header) => {
        const config = { headers: { Authorization: header } };
        return Object.assign(new Error("Request failed with status code 500"), {
          config,
          request: { _header: header },
          response: { status: 500, data: "oops", config, request: { _header: header } },
        });
      }),
      getToken,
    );
    const error: unknown = await client.makeRequest("GetUsers").catch((error: unknown) => error);
    expect(error).toMatchObject({ response: { status: 500, data: "oops" } });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("token-1");
  });

  it("refuses an unknown client and names the supported version", async () => {
    const { getToken } = await setUp([vends()]);
    expect(() => useVendedTokens({ generateAuthHeader: () => "" }, getToken)).toThrow(
      "apiclient-nodejs 4.11 or later",
    );
  });
});
