import { describe, expect, it } from "vitest";
import { vendorCalls } from "../../lib/serve/vendor-calls.ts";

const URL_OF_API = "https://api.voximplant.com/platform_api";

/** What the service is asked, for a request of an official client. */
async function asked(path: string, init: RequestInit = { method: "POST" }, apiUrl = URL_OF_API) {
  const calls: unknown[] = [];
  const forward = vendorCalls(
    (...call) => {
      calls.push(call.slice(0, 3));
      return Promise.resolve({ status: 200, text: '{"result": 1}', body: { result: 1 } });
    },
    1,
    apiUrl,
  );
  const response = await forward(`${apiUrl}${path}`, init);
  return { calls, response };
}

const form = (fields: Record<string, string | Blob>) => {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.set(name, value);
  return { method: "POST", body };
};

describe("a request of an official client", () => {
  it.each<[string, string, RequestInit]>([
    ["a multipart form with cmd", "", form({ cmd: "StartScenarios", rule_id: "42" })],
    ["a multipart form", "/StartScenarios", form({ rule_id: "42" })],
    [
      "the same method in the path and in cmd",
      "/StartScenarios",
      form({ cmd: "StartScenarios", rule_id: "42" }),
    ],
    ["a form", "/StartScenarios/", { method: "POST", body: new URLSearchParams({ rule_id: "42" }) }],
    ["a query", "/StartScenarios?rule_id=42", { method: "GET" }],
    ["the account of its credentials file", "/StartScenarios?rule_id=42&account_id=1", { method: "POST" }],
  ])("with %s has the service call the method", async (_, path, init) => {
    const { calls, response } = await asked(path, init);
    expect(calls).toEqual([["StartScenarios", { rule_id: "42" }, undefined]]);
    expect([response.status, await response.text()]).toEqual([200, '{"result": 1}']);
  });

  it.each(["https://example.com/vox", "https://example.com"])(
    "names the method in its path, below another Management API: %s",
    async (apiUrl) => {
      const { calls } = await asked("/StartScenarios", form({ rule_id: "42" }), apiUrl);
      expect(calls).toEqual([["StartScenarios", { rule_id: "42" }, undefined]]);
      expect((await asked("", form({ cmd: "GetRules" }), apiUrl)).calls).toEqual([
        ["GetRules", {}, undefined],
      ]);
    },
  );

  it("for a child account names that account as a number", async () => {
    const { calls } = await asked("/GetRules?account_id=7654321");
    expect(calls).toEqual([["GetRules", {}, 7654321]]);
  });

  it("comes back with the platform's own error, status and body unchanged", async () => {
    const text = '{"error": {"code": 104, "msg": "No."}}';
    const forward = vendorCalls(() => Promise.resolve({ status: 403, text, body: {} }), 1, URL_OF_API);
    const response = await forward(`${URL_OF_API}/CreateKey`, { method: "POST" });
    expect([response.status, await response.text()]).toEqual([403, text]);
  });

  it.each<[string, string, RequestInit]>([
    ["no method", "", { method: "POST" }],
    ["a parameter twice in the query", "/GetRules?count=1&count=2", { method: "POST" }],
    ["a parameter in the query and in the form", "/GetRules?count=1", form({ count: "1" })],
    ["a path and another cmd", "/GetRules", form({ cmd: "CreateKey" })],
    ["an account id in hexadecimal", "/GetRules?account_id=0x74CBB1", { method: "POST" }],
    ["a file", "/AddScenario", form({ scenario_script: new Blob(["x"]) })],
    ["a body over 512 KiB", "/AddScenario", { method: "POST", body: "x".repeat(512 * 1024 + 1) }],
    [
      "a body that is not a form",
      "/AddScenario",
      { method: "POST", body: "{}", headers: { "content-type": "application/json" } },
    ],
  ])("with %s is refused, and nothing is called", async (_, path, init) => {
    await expect(asked(path, init)).rejects.toMatchObject({ code: "invalid_request" });
  });
});
