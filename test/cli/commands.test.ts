import { describe, expect, it, onTestFinished } from "vitest";
import { asCliError } from "../../lib/cli/failure.ts";
import { TokenError } from "../../lib/client/errors.ts";
import type { EntitlementsResponse } from "../../lib/http/wire.ts";
import { answers, refuses, startVendor, vends } from "../fakes/vendor-server.ts";
import { setUpCli } from "./set-up.ts";

const json = (body: object) => answers(200, JSON.stringify(body), { "content-type": "application/json" });
const entitlements = {
  principal: "arn:aws:iam::111122223333:role/nightly-report",
  service_accounts: [
    { name: "call-history", tokens: true, max_ttl_seconds: 3600, child_account_ids: [] },
    { name: "outbound-calls", tokens: true, max_ttl_seconds: 900, child_account_ids: [7654321] },
  ],
} satisfies EntitlementsResponse;

async function startApi(...behaviours: Parameters<typeof startVendor>[0]) {
  const api = await startVendor(behaviours);
  onTestFinished(api.close);
  return api;
}

describe("voxtoken token", () => {
  it("prints nothing but the token", async () => {
    const { run } = await setUpCli([vends()]);
    expect(await run(["token", "outbound-calls"])).toEqual({ status: 0, out: "token-1\n", err: "" });
  });

  it("prints the whole answer with --output json", async () => {
    const { run } = await setUpCli([vends()]);
    const { out } = await run(["token", "outbound-calls", "--output", "json"]);
    expect(JSON.parse(out)).toMatchObject({
      access_token: "token-1",
      token_type: "Bearer",
      account_id: 1234567,
    });
  });

  it("requests the lifetime and the account that the options name", async () => {
    const { vendor, run } = await setUpCli([vends()]);
    await run(["token", "outbound-calls", "--ttl", "60", "--account-id", "7654321"]);
    expect(vendor.requests[0]?.body).toBe('{"ttl_seconds":60,"account_id":7654321}');
    expect(vendor.requests[0]?.headers.authorization).toContain("Credential=AKIDEXAMPLE/");
  });

  it.each([
    [
      "the grants",
      refuses(403, "access_denied", "not granted"),
      3,
      "voxtoken: access_denied: not granted (request request-1)",
    ],
    ["API Gateway", answers(403, '{"message":"Forbidden"}'), 3, "voxtoken: not_authorized: Forbidden"],
    [
      "a limit",
      refuses(400, "ttl_too_long", "at most 300"),
      3,
      "voxtoken: ttl_too_long: at most 300 (request request-1)",
    ],
    [
      "the service's parser",
      refuses(400, "invalid_request", "ttl_seconds"),
      2,
      "voxtoken: invalid_request: ttl_seconds (request request-1)",
    ],
    [
      "a server that is not the service",
      answers(200, "<html>"),
      1,
      "voxtoken: invalid_response: the answer is not from the vendor; missing or invalid: the body",
    ],
  ])("reports a refusal by %s in one line with a hint", async (_who, behaviour, status, line) => {
    const { run } = await setUpCli([behaviour]);
    const result = await run(["token", "outbound-calls"]);
    expect(result).toMatchObject({ status, out: "" });
    expect(result.err.split("\n")[0]).toBe(line);
    expect(result.err.split("\n")).toHaveLength(status === 2 ? 2 : 3);
  });

  it.each([
    [["token"], /missing required argument 'service-account'/],
    [["token", "outbound-calls", "--ttl", "5m"], /--ttl .*whole number/],
    [["token", "../admin"], /serviceAccount/],
    [["token", "outbound-calls", "--url", "http://example.com"], /must be https/],
    [["token", "outbound-calls", "--url", ""], /no url of a token vendor/],
  ])("exits with 2 before any request: %j", async (args, message) => {
    const { vendor, run } = await setUpCli([vends()]);
    const { status, err } = await run(args);
    expect(status).toBe(2);
    expect(err).toMatch(message);
    expect(vendor.requests).toHaveLength(0);
  });

  it("prints each step without the token if --verbose is set", async () => {
    const { run } = await setUpCli([refuses(503, "signing_key_unavailable", "try later"), vends()]);
    const { out, err } = await run(["token", "outbound-calls", "--verbose"]);
    expect(out).toBe("token-2\n");
    expect(err).toMatch(/signing_key_unavailable: try later; trying again in \d+ ms/);
    expect(err).not.toContain("token-2");
  });

  it.each([
    ["on a capable terminal only", {}, true],
    ["unless NO_COLOR is set", { NO_COLOR: "1" }, false],
    ["unless the terminal is dumb", { TERM: "dumb" }, false],
  ])("colours its errors %s: %j", async (_where, env, coloured) => {
    const { run } = await setUpCli([refuses(403, "access_denied", "no")]);
    let shown = "";
    await run(["token", "x"], { env, stderr: { isTerminal: true, write: (text) => void (shown += text) } });
    expect(shown.includes("\u001b[31m")).toBe(coloured);
  });
});

describe("a refusal by API Gateway", () => {
  it.each([
    ["Missing Authentication Token", /stage|path/],
    ["Credential should be scoped to a valid region, not 'eu-west-1'.", /--region/],
    ["The request signature we calculated does not match the signature you provided.", /secret/],
    ["The security token included in the request is invalid.", /AWS_SESSION_TOKEN/],
    ["User: arn:aws:iam::1:user/a is not authorized to perform: execute-api:Invoke", /execute-api:Invoke/],
    ["Forbidden", /proxy|resource policy/],
  ])("gets a hint of its own: %j", async (message, hint) => {
    const { run } = await setUpCli([answers(403, JSON.stringify({ message }))]);
    const { status, err } = await run(["token", "x"]);
    expect(status).toBe(3);
    expect(err.split("\n")[1]).toMatch(hint);
  });

  it("gets a hint with its Retry-After if the request was throttled", async () => {
    const throttled = refuses(429, "throttled", "slow down", { "retry-after": "120" });
    const { run } = await setUpCli([throttled]);
    expect((await run(["token", "x"])).err).toMatch(/hint: .*120 s/);
  });
});

it("says how to sign in with a profile that needs an MFA code, which the AWS SDK cannot ask for", () => {
  const message = "Profile ops requires multi-factor authentication, but no MFA code callback was provided.";
  for (const error of [new TokenError("no_credentials", message), new Error(message)])
    expect(asCliError(error).hint).toContain("aws configure export-credentials");
});

describe("voxtoken exec", () => {
  it("passes the token to the command in the environment, and not in its arguments", async () => {
    const { run } = await setUpCli([vends()]);
    const ran: unknown[] = [];
    const { status } = await run(
      ["exec", "outbound-calls", "--ttl", "60", "--", "report", "--since", "monday"],
      {
        runChild: (command, args, env) => {
          ran.push([command, ...args], env["VOXIMPLANT_ACCESS_TOKEN"]);
          const expiresAt = Date.parse(String(env["VOXIMPLANT_ACCESS_TOKEN_EXPIRES_AT"]));
          expect(Math.abs(expiresAt - Date.now() - 300_000)).toBeLessThan(5_000);
          return Promise.resolve(0);
        },
      },
    );
    expect(status).toBe(0);
    expect(ran).toEqual([["report", "--since", "monday"], "token-1"]);
  });

  it("exits with the command's status and prints nothing itself", async () => {
    const { run } = await setUpCli([vends()]);
    const result = await run(["exec", "outbound-calls", "--", "report"], {
      runChild: () => Promise.resolve(42),
    });
    expect(result).toEqual({ status: 42, out: "", err: "" });
  });

  it.each([
    ["ENOENT", 127, "not found"],
    ["EACCES", 126, "permission denied"],
  ])("reports that the command cannot be started: %s", async (code, status, message) => {
    const { run } = await setUpCli([vends()]);
    const runChild = () => Promise.reject(Object.assign(new Error(`spawn report ${code}`), { code }));
    const result = await run(["exec", "outbound-calls", "--", "report"], { runChild });
    expect(result.status).toBe(status);
    expect(result.err).toContain(message);
  });

  it.each([
    [["x", "report", "-c", "1"], /unknown option '-c'/, /voxtoken exec x -- report/],
    [["x"], /missing required argument 'command'/, /voxtoken exec x -- COMMAND/],
    [["--", "echo"], /missing required argument 'command'/, /exec SERVICE-ACCOUNT -- COMMAND/],
  ])("shows the right form of the command after wrong arguments: %j", async (args, message, hint) => {
    const { vendor, run } = await setUpCli([vends()]);
    const { status, err } = await run(["exec", ...args]);
    expect(status).toBe(2);
    expect(err.split("\n")[0]).toMatch(message);
    expect(err.split("\n")[1]).toMatch(hint);
    expect(vendor.requests).toHaveLength(0);
  });

  it.each([
    ["ENOEXEC", 126],
    ["ENOTDIR", 127],
    ["ETXTBSY", 126],
  ])("exits with the shell's status if the command fails to start with %s", async (code, status) => {
    const { run } = await setUpCli([vends()]);
    const runChild = () => Promise.reject(Object.assign(new Error(`spawn report ${code}`), { code }));
    const result = await run(["exec", "outbound-calls", "--", "report"], { runChild });
    expect(result).toMatchObject({ status, out: "" });
    expect(result.err).toMatch(/^voxtoken: report: /);
  });

  it("does not run the command if no token was vended", async () => {
    const { run } = await setUpCli([refuses(403, "access_denied", "no")]);
    // The fake's runChild fails the test when it is called.
    expect(await run(["exec", "outbound-calls", "--", "report"])).toMatchObject({ status: 3 });
  });
});

describe("voxtoken api", () => {
  it("calls the method with its parameters and prints the answer", async () => {
    const { run } = await setUpCli([vends()]);
    const api = await startApi(json({ result: [{ a: 1 }], total_count: 1 }));
    const args = [
      "api",
      "call-history",
      "GetCallHistory",
      "from_date=2026-11-23 00:00:00",
      "remote_number=a=b",
    ];
    const { status, out } = await run([...args, "--api-url", api.url]);
    expect(status).toBe(0);
    expect(JSON.parse(out)).toEqual({ result: [{ a: 1 }], total_count: 1 });
    expect(api.requests[0]).toMatchObject({
      path: "/prod/GetCallHistory",
      body: "from_date=2026-11-23+00%3A00%3A00&remote_number=a%3Db",
    });
  });

  it("prints a CSV report, and names a way to save any other kind of file", async () => {
    const { run } = await setUpCli([vends()]);
    const csv = await startApi(answers(200, "date;cost\n", { "content-type": "text/csv" }));
    expect(await run(["api", "call-history", "GetReport", "--api-url", csv.url])).toEqual({
      status: 0,
      out: "date;cost\n",
      err: "",
    });
    const zip = await startApi(answers(200, "PK…", { "content-type": "application/zip" }));
    const { status, out, err } = await run(["api", "call-history", "GetReport", "--api-url", zip.url]);
    expect({ status, out }).toEqual({ status: 1, out: "" });
    expect(err).toMatch(/answered with application\/zip[^]*hint: .*voxtoken exec/);
    expect(zip.requests).toHaveLength(1);
  });

  it("shows no control characters of a report on a terminal, and leaves them in a file", async () => {
    const { run } = await setUpCli([vends()]);
    const report = "date;\u001b]0;owned\u0007caller\t1\r\n\u009b2J\u007fé\n";
    const csv = await startApi(answers(200, report, { "content-type": "text/csv" }));
    const command = ["api", "call-history", "GetReport", "--api-url", csv.url];
    expect((await run(command)).out).toBe(report);
    let shown = "";
    const terminal = { isTerminal: true, write: (text: string) => void (shown += text) };
    expect(await run(command, { stdout: terminal })).toMatchObject({ status: 0 });
    expect(shown).toBe("date;?]0;owned?caller\t1\r\n?2J?é\n");
  });

  it("renews a cached token that the platform refuses", async () => {
    const { vendor, run } = await setUpCli([vends()]);
    const api = await startApi(
      json({ result: 1 }),
      json({ error: { code: 447, msg: "revoked" } }),
      json({ result: 2 }),
    );
    const env = { VOXIMPLANT_API_URL: api.url };
    await run(["api", "call-history", "GetUsers"], { env });
    await run(["api", "call-history", "GetUsers"], { env });
    expect(api.requests.map(({ headers }) => headers.authorization)).toEqual([
      "Bearer token-1",
      "Bearer token-1",
      "Bearer token-2",
    ]);
    expect(vendor.requests).toHaveLength(2);
    expect((await run(["token", "call-history"])).out).toBe("token-2\n");
  });

  it.each([
    [104, 3],
    [340, 1],
  ])("reports error %i of the platform with exit status %i", async (code, status) => {
    const { run } = await setUpCli([vends()]);
    const api = await startApi(json({ error: { code, msg: "no" } }));
    const result = await run(["api", "call-history", "SetUserInfo", "--api-url", api.url]);
    expect(result.status).toBe(status);
    expect(result.err).toContain(`error ${code}`);
  });

  it("exits with 2 if a parameter has no value", async () => {
    const { run } = await setUpCli([vends()]);
    expect(await run(["api", "call-history", "GetUsers", "count"])).toMatchObject({ status: 2 });
  });
});

describe("voxtoken call", () => {
  it("has the service call the method, and prints the whole answer", async () => {
    const { vendor, run } = await setUpCli([json({ result: 1, call_session_history_id: 7 })]);
    const args = ["call", "outbound-calls", "StartScenarios", "rule_id=42", "script_custom_data=a=b"];
    const { status, out } = await run([...args, "--account-id", "7654321"]);
    expect([status, JSON.parse(out)]).toEqual([0, { result: 1, call_session_history_id: 7 }]);
    expect(vendor.requests).toMatchObject([
      {
        path: "/prod/v1/service-accounts/outbound-calls/methods/StartScenarios",
        body: '{"rule_id":"42","script_custom_data":"a=b","account_id":7654321}',
      },
    ]);
  });

  it.each([
    ["as a parameter", ["account_id=7654321"]],
    ["as an option", ["--account-id", "7654321"]],
  ])("calls the method for a child account that is given %s", async (_, args) => {
    const { vendor, run } = await setUpCli([json({ result: 1 })]);
    expect((await run(["call", "outbound-calls", "GetRules", ...args])).status).toBe(0);
    expect(vendor.requests).toMatchObject([{ body: '{"account_id":7654321}' }]);
  });

  it.each([[["account_id=x"]], [["account_id=0x10"]], [["account_id=1", "--account-id", "1"]]])(
    "calls %j wrong usage",
    async (args) => {
      const { vendor, run } = await setUpCli([json({ result: 1 })]);
      expect((await run(["call", "outbound-calls", "GetRules", ...args])).status).toBe(2);
      expect(vendor.requests).toEqual([]);
    },
  );

  it.each([
    ["a refusal", refuses(403, "access_denied", "Access denied."), 3, "access_denied: Access denied."],
    ["the platform's refusal", json({ error: { code: 104, msg: "No." } }), 3, "error 104"],
    [
      "a lost answer",
      refuses(504, "platform_timeout", "Not known."),
      1,
      "the method may have run: check that before you call it again",
    ],
  ])("ends after %s with its status and the next step", async (_, behaviour, expected, text) => {
    const { run } = await setUpCli([behaviour]);
    const { status, out, err } = await run(["call", "outbound-calls", "StartScenarios"]);
    expect([status, out]).toEqual([expected, ""]);
    expect(err).toContain(text);
  });

  it("calls a wrong name or parameter wrong usage", async () => {
    const { run } = await setUpCli([json({ result: 1 })]);
    expect((await run(["call", "outbound-calls", "Start/Scenarios"])).status).toBe(2);
    expect((await run(["call", "outbound-calls", "StartScenarios", "rule_id"])).status).toBe(2);
  });
});

describe("voxtoken whoami", () => {
  it("prints the methods of a caller who gets no token", async () => {
    const principal = "arn:aws:iam::111122223333:role/dialer";
    const methods = ["GetCall*", "StartScenarios"];
    const account = { name: "outbound-calls", tokens: false, child_account_ids: [7654321], methods };
    const { run } = await setUpCli([json({ principal, service_accounts: [account] })]);
    expect((await run(["whoami"])).out).toBe(
      `${principal}\n  outbound-calls  child accounts 7654321; calls of GetCall*, StartScenarios\n`,
    );
  });

  it("prints the caller's identity and its service accounts", async () => {
    const { vendor, run } = await setUpCli([json(entitlements)]);
    const { out } = await run(["whoami"]);
    expect(out).toBe(
      `arn:aws:iam::111122223333:role/nightly-report
  call-history  up to 3600 s
  outbound-calls  up to 900 s, child accounts 7654321
`,
    );
    expect(vendor.requests[0]).toMatchObject({ method: "GET", path: "/prod/v1/service-accounts" });
  });

  it("prints the service's answer with --output json", async () => {
    const { run } = await setUpCli([json(entitlements)]);
    const { out } = await run(["whoami", "-o", "json"]);
    expect(JSON.parse(out)).toEqual(entitlements);
  });
});

describe("voxtoken doctor", () => {
  it("ends with 0 for a caller who may have methods called and gets no token", async () => {
    const methods = ["StartScenarios"];
    const account = { name: "outbound-calls", tokens: false, child_account_ids: [], methods };
    const { run } = await setUpCli([json({ principal: "arn:…", service_accounts: [account] })]);
    const { status, out } = await run(["doctor"]);
    expect(status).toBe(0);
    expect(out).toContain("outbound-calls: no token, only calls of StartScenarios; use voxtoken call");
  });

  const unsigned = answers(403, '{"message":"Missing Authentication Token"}');

  it("checks every step and exits with 0 if all succeed", async () => {
    const { run } = await setUpCli([unsigned, json(entitlements), vends()]);
    const api = await startApi(json({ result: { account_id: 1234567 } }));
    const { status, out } = await run(["doctor", "--api-url", api.url]);
    expect(out.split("\n").map((line) => line.replace(/127\.0\.0\.1:\d+/, "HOST"))).toEqual([
      "ok    url: http://HOST/prod",
      "ok    AWS credentials: access key AKIDEXAMPLE",
      "ok    HOST answers",
      "ok    clock: agrees with the server's",
      "ok    API Gateway accepts your requests, as arn:aws:iam::111122223333:role/nightly-report",
      "ok    grants: call-history, outbound-calls",
      "ok    token: call-history, account 1234567, valid for 300 s",
      "ok    Voximplant accepts the token (GetAccountInfo)",
      "",
    ]);
    expect(status).toBe(0);
    expect(out).not.toContain("token-");
  });

  it("prints one JSON object per step with --output json", async () => {
    const { run } = await setUpCli([unsigned, json(entitlements), vends()]);
    const api = await startApi(json({ result: { account_id: 1234567 } }));
    const { out } = await run(["doctor", "--api-url", api.url, "--output", "json"]);
    const steps = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { ok: boolean; what: string });
    expect(steps.length).toBeGreaterThan(4);
    for (const step of steps) expect(step).toMatchObject({ ok: true, what: expect.any(String) as string });
  });

  it.each([
    [
      "API Gateway refuses",
      [unsigned, answers(403, '{"message":"x is not authorized to perform: execute-api:Invoke"}')],
      [],
      3,
      "API Gateway: not_authorized",
      "execute-api:Invoke",
    ],
    [
      "no grants at all",
      [unsigned, json({ ...entitlements, service_accounts: [] })],
      [],
      3,
      "grants: none",
      "ask the owner of grants.yml",
    ],
    [
      "the service account is not granted",
      [unsigned, json(entitlements), refuses(403, "access_denied", "no")],
      ["secret-stuff"],
      3,
      "token of secret-stuff: access_denied",
      "voxtoken whoami",
    ],
  ] as const)(
    "reports a failed step with the next action: %s",
    async (_what, behaviours, args, status, what, next) => {
      const { run } = await setUpCli(behaviours);
      const result = await run(["doctor", ...args]);
      expect(result.status).toBe(status);
      expect(result.out).toContain(`FAIL  ${what}`);
      expect(result.out).not.toContain("ok    grants: none");
      expect(result.out.split("\n").find((line) => line.includes("next:"))).toContain(next);
    },
  );

  it("reports missing grants once, even if a service account was named", async () => {
    const { run } = await setUpCli([unsigned, json({ ...entitlements, service_accounts: [] })]);
    const { status, out } = await run(["doctor", "call-history"]);
    expect(status).toBe(3);
    expect(out).toContain("FAIL  grants: none");
    expect(out).not.toContain("ok    grants");
  });

  it("reports missing credentials, still checks that the url answers, and stops", async () => {
    const { run } = await setUpCli([unsigned]);
    const { status, out } = await run(["doctor"], {
      env: { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined },
    });
    expect(status).toBe(1);
    expect(out).toContain("FAIL  AWS credentials: no_credentials");
    expect(out).toMatch(/ok {4}\S+ answers\nok {4}clock.*\n$/);
  });

  it("reports by how much this machine's clock is wrong", async () => {
    const { run } = await setUpCli([unsigned, json(entitlements), vends()]);
    const api = await startApi(json({ result: {} }));
    const { status, out } = await run(["doctor", "--api-url", api.url], { now: () => Date.now() + 600_000 });
    expect(status).toBe(1);
    expect(out).toMatch(/FAIL {2}clock: this machine is (599|600|601) s ahead of the server/);
  });

  it("reports that the platform refuses the token", async () => {
    const { run } = await setUpCli([unsigned, json(entitlements), vends()]);
    const api = await startApi(json({ error: { code: 433, msg: "no such key" } }));
    const { status, out } = await run(["doctor", "--api-url", api.url]);
    expect(status).toBe(1);
    expect(out).toMatch(/FAIL {2}Voximplant: .*error 433.*\n.*voxtoken admin keys/);
  });
});
