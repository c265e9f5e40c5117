import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import identities from "../../local/identities.json" with { type: "json" };
import { startStack, type Stack } from "../../local/stack.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");
const examples = join(root, "examples");

let stack: Stack;
let home: string;
beforeAll(async () => {
  stack = await startStack();
  home = await mkdtemp(join(tmpdir(), "examples-"));
});
afterAll(async () => {
  await stack.close();
  await rm(home, { recursive: true, force: true });
});

const environment = (profile = "nightly-report") => ({
  PATH: process.env["PATH"],
  HOME: home,
  AWS_SHARED_CREDENTIALS_FILE: join(root, "local/aws-credentials"),
  AWS_PROFILE: profile,
  AWS_REGION: "us-east-1",
  VOXTOKEN_URL: stack.url,
  VOXTOKEN: `${process.execPath} ${join(root, "dist/cli/voxtoken.js")}`,
  VOXIMPLANT_API_URL: stack.managementApi.apiUrl,
});

/** A reason to skip, where this machine lacks what the recipe is written for. */
function lacks(command: string, args: readonly string[], wanted: RegExp): boolean {
  try {
    return !wanted.test(
      execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
    );
  } catch {
    return true;
  }
}
const noCurl = lacks("curl", ["--version"], /^curl (?:7\.(?:7[5-9]|[89]\d)|[89]|\d\d)\./);
const noBotocore = lacks("python3", ["-c", "import botocore; print(botocore.__version__)"], /^1\./);

describe("the recipes, against the local stack", () => {
  it.skipIf(noCurl)("curl (needs curl 7.75 or later)", async () => {
    const identity = identities.find(({ userArn }) => userArn.includes("/nightly-report/"));
    const { stdout } = await run(join(examples, "curl/account-info.sh"), ["call-history"], {
      env: {
        ...environment(),
        AWS_ACCESS_KEY_ID: identity?.accessKeyId,
        AWS_SECRET_ACCESS_KEY: identity?.secretAccessKey,
        AWS_SESSION_TOKEN: identity?.sessionToken,
      },
    });
    expect(JSON.parse(stdout)).toMatchObject({ result: { account_id: 1234567 } });
  });

  it.skipIf(noCurl)("bash, with voxtoken", async () => {
    const { stdout } = await run(join(examples, "bash/report.sh"), { env: environment() });
    expect(stdout.match(/"account_id": ?1234567/g)).toHaveLength(2);
  });

  it.skipIf(noBotocore)("Python (needs python3 with botocore)", async () => {
    const { stdout } = await run("python3", ["voximplant_token.py"], {
      cwd: join(examples, "python-botocore"),
      env: { ...environment(), PYTHONDONTWRITEBYTECODE: "1" },
    });
    expect(JSON.parse(stdout)).toMatchObject({ result: { account_id: 1234567 } });
  });

  it.skipIf(noBotocore)("Python: ten threads make one request, and a refusal keeps its code", async () => {
    const program = `
import threading
from voximplant_token import TokenError, TokenProvider
get_token = TokenProvider("${stack.url}", "call-history", ttl_seconds=60)
threads = [threading.Thread(target=get_token) for _ in range(10)]
for thread in threads: thread.start()
for thread in threads: thread.join()
try:
    TokenProvider("${stack.url}", "nobody")()
except TokenError as error:
    print(error.code)`;
    const before = stack.gateway.calls.length;
    const { stdout } = await run("python3", ["-c", program], {
      cwd: join(examples, "python-botocore"),
      env: { ...environment(), PYTHONDONTWRITEBYTECODE: "1" },
    });
    expect(stdout).toBe("access_denied\n");
    expect(stack.gateway.calls.length - before).toBe(2);
  });

  it("a Lambda function on a schedule", async () => {
    const call = `
      const { handler } = await import("./index.mjs");
      console.log("result", JSON.stringify(await handler({ "detail-type": "Scheduled Event" })));`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", call], {
      cwd: join(examples, "lambda-eventbridge"),
      env: environment(),
    });
    expect(stdout).toContain('result {"accountId":1234567}');
    expect(stdout).not.toContain("eyJ");
  });

  it("a service in ECS or EKS", async () => {
    const service = spawn(process.execPath, ["server.mjs"], {
      cwd: join(examples, "ecs-eks-service"),
      env: { ...environment("billing-worker"), PORT: "0" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(service.stdout, "data")) as [Buffer];
    const { port } = JSON.parse(line.toString()) as { port: number };
    const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } });
    expect(await response.json()).toEqual({ accountId: 1234567 });
    service.kill("SIGTERM");
    expect(await once(service, "exit")).toEqual([0, null]);
  });
});

describe("each recipe's IAM policy", async () => {
  const folders = (await readdir(examples, { withFileTypes: true })).filter((entry) => entry.isDirectory());

  it.each(folders.map(({ name }) => name))(
    "%s: allows the vendor's paths, and nothing else",
    async (folder) => {
      const policy = JSON.parse(await readFile(join(examples, folder, "policy.json"), "utf8")) as {
        Statement: { Effect: string; Action: string; Resource: string[] }[];
      };
      for (const { Effect, Action, Resource } of policy.Statement) {
        expect([Effect, Action]).toEqual(["Allow", "execute-api:Invoke"]);
        for (const arn of Resource) {
          expect(arn).toMatch(
            /^arn:aws:execute-api:[a-z0-9-]+:\d{12}:\w+\/\w+\/(?:POST\/v1\/service-accounts\/[a-z0-9-]+\/token|GET\/v1\/service-accounts)$/,
          );
        }
      }
    },
  );
});
