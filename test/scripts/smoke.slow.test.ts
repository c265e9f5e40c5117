import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { indexGrants } from "../../lib/grants/authorize.ts";
import { formatProblem, parseGrants } from "../../lib/grants/parse.ts";
import { importSigningKey } from "../../lib/keys/signing-key.ts";
import { createVendHandler } from "../../lib/vend.ts";
import { startGateway, type Gateway } from "../../local/gateway/server.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

const identity = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "only-in-this-test",
  userArn: "arn:aws:iam::111122223333:user/ops/alice",
  userId: "AIDAALICEEXAMPLE",
  accountId: "111122223333",
};
const grants = `
serviceAccounts:
  outbound-calls: {secret: voximplant/outbound-calls}
  call-history: {secret: voximplant/call-history}
grants:
  - principals: [${identity.userArn}]
    serviceAccounts: [outbound-calls]
`;

let gateway: Gateway;
let lines: string[];
let tokens: string[];

beforeAll(async () => {
  const parsed = parseGrants(grants, "grants.yml");
  if ("problems" in parsed) throw new Error(parsed.problems.map(formatProblem).join("\n"));
  const signingKey = await importSigningKey({ accountId: 1234567, keyId: "key-1", privateKey: rsaPem() });
  const handler = createVendHandler({
    deployment: "vendor-dev",
    grants: indexGrants(parsed.policy),
    getSigningKey: () =>
      Promise.resolve({ state: "fresh", held: { signingKey, secretVersionId: "v1", fetchedAt: Date.now() } }),
    writeAudit: (line) => void lines.push(line),
    log: () => undefined,
    now: Date.now,
    newId: () => crypto.randomUUID(),
  });
  lines = [];
  tokens = [];
  gateway = await startGateway({
    identities: [identity],
    invoke: async (event) => {
      const answer = await handler(event, { awsRequestId: "request" });
      tokens.push(...(answer.body.match(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g) ?? []));
      return answer;
    },
  });
});
afterAll(() => gateway.close());

function smoke(...args: readonly string[]): Promise<{ status: number; output: string }> {
  const root = resolve(import.meta.dirname, "../..");
  const command = [
    resolve(root, "node_modules/tsx/dist/cli.mjs"),
    resolve(root, "scripts/smoke.ts"),
    ...args,
  ];
  const env = {
    ...process.env,
    AWS_ACCESS_KEY_ID: identity.accessKeyId,
    AWS_SECRET_ACCESS_KEY: identity.secretAccessKey,
    AWS_SESSION_TOKEN: "",
    VOXTOKEN_URL: "",
  };
  return new Promise((done) => {
    const child = execFile(process.execPath, command, { cwd: root, env }, (_, stdout, stderr) => {
      done({ status: child.exitCode ?? -1, output: stdout + stderr });
    });
  });
}

const where = () => ["--url", gateway.url, "--region", "us-east-1", "--count", "2"];

describe("npm run smoke", () => {
  it("checks a token, an unsigned request and an ungranted request, and prints latencies without a token", async () => {
    const { status, output } = await smoke(
      ...where(),
      "--service-account",
      "outbound-calls",
      "--ungranted",
      "call-history",
    );
    expect(
      output
        .replace(/\d+(?=,| ms)/g, "N")
        .replace(/until \S+/, "until T")
        .trim()
        .split("\n"),
    ).toEqual([
      "ok      a token comes back for outbound-calls: valid until T (N ms)",
      "ok      an unsigned request is refused: 403 (N ms)",
      "ok      an ungranted service account (call-history) is refused: access_denied (N ms)",
      "ok      2 more tokens, one after another: N, N ms (N ms)",
    ]);
    expect(status).toBe(0);
    expect(tokens).toHaveLength(3);
    for (const token of tokens) expect(output).not.toContain(token.slice(-16));
  });

  it("exits with 1 and names the problem if a service account is granted that should not be", async () => {
    const { status, output } = await smoke(
      ...where(),
      "--service-account",
      "outbound-calls",
      "--ungranted",
      "outbound-calls",
    );
    expect(status).toBe(1);
    expect(output).toContain(
      "BROKEN  an ungranted service account (outbound-calls) is refused: a token came back",
    );
  });

  it("exits with 1 if no token is vended, and continues with the other checks", async () => {
    const { status, output } = await smoke(...where(), "--service-account", "call-history");
    expect(status).toBe(1);
    expect(output).toMatch(/BROKEN {2}a token comes back for call-history/);
    expect(output).toContain("ok      an unsigned request is refused: 403");
  });

  it.each([
    [["--service-account", "outbound-calls"], '--url: "" is not a URL'],
    [["--url", "--service-account", "outbound-calls"], "Option '--url' argument is ambiguous"],
    [["--url", "https://tokens.example.com"], "--service-account: the name of a service account is required"],
  ])("prints its usage if something is missing: %j", async (args, problem) => {
    const { status, output } = await smoke(...args);
    expect(status).toBe(2);
    expect(output).toContain(problem);
    expect(output).toContain("usage: npm run smoke");
    expect(output).not.toContain("at ");
  });
});
