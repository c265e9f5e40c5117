import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
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

/** The credentials of the role nightly-report, for what reads no profile. */
const reporter = identities.find(({ userArn }) => userArn.includes("/nightly-report/"));
const nightlyReport = {
  AWS_ACCESS_KEY_ID: reporter?.accessKeyId,
  AWS_SECRET_ACCESS_KEY: reporter?.secretAccessKey,
  AWS_SESSION_TOKEN: reporter?.sessionToken,
};

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

describe("the recipe, against the local stack", () => {
  it.skipIf(noCurl)("for curl prints the account (needs curl 7.75 or later)", async () => {
    const { stdout } = await run(join(examples, "curl/account-info.sh"), ["call-history"], {
      env: { ...environment(), ...nightlyReport },
    });
    expect(JSON.parse(stdout)).toMatchObject({ result: { account_id: 1234567 } });
  });

  it.skipIf(noCurl)("for bash runs voxtoken", async () => {
    const { stdout } = await run(join(examples, "bash/report.sh"), { env: environment() });
    expect(stdout.match(/"account_id": ?1234567/g)).toHaveLength(2);
  });

  it.skipIf(noBotocore)("for Python prints the account (needs python3 with botocore)", async () => {
    const { stdout } = await run("python3", ["voximplant_token.py"], {
      cwd: join(examples, "python-botocore"),
      env: { ...environment(), PYTHONDONTWRITEBYTECODE: "1" },
    });
    expect(JSON.parse(stdout)).toMatchObject({ result: { account_id: 1234567 } });
  });

  it.skipIf(noBotocore)(
    "for Python makes one request for ten threads, and keeps the code of a refusal",
    async () => {
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
    },
  );

  it.skipIf(noBotocore)("for Python passes its own tests (needs python3 with botocore)", async () => {
    const { stderr } = await run("python3", ["-B", "-m", "unittest"], {
      cwd: join(examples, "python-botocore"),
      env: { PATH: process.env["PATH"], HOME: home },
    });
    expect(stderr).toMatch(/Ran \d+ tests[^]*\nOK\n$/);
  });

  it("for Lambda works in a function on a schedule", async () => {
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

  it("for ECS and EKS works in a service", async () => {
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

/** A server on loopback, and the headers of each request that it got. */
async function startServer(answer: RequestListener) {
  const requests: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    requests.push(request.headers);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

describe("a recipe whose server answers with a redirect to another origin", () => {
  const stolen = { access_token: "eyJ.of.another", expires_in: 300, result: { account_id: 666666666 } };
  const foreign = () =>
    startServer((_request, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(stolen));
    });
  const redirectTo = (url: string, status: number) =>
    startServer((_request, response) => {
      // The body, too, is one to be believed by a careless client.
      response.writeHead(status, { location: `${url}/elsewhere` }).end(JSON.stringify(stolen));
    });
  beforeAll(async () => {
    // curl's own configuration may ask for what the recipes must not do.
    await writeFile(join(home, ".curlrc"), "location-trusted\n");
    await writeFile(join(home, "voxtoken-stub"), STUB);
  });
  /** A voxtoken that vends by itself, so that what the script does on its own is reached. */
  const STUB = 'if [ "$1" = exec ]; then shift 5; VOXIMPLANT_ACCESS_TOKEN=a.b.c exec "$@"; fi';
  const outcomeOf = (command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv) =>
    run(command, args, { cwd, env: { ...env, PYTHONDONTWRITEBYTECODE: "1" } }).then(
      ({ stdout, stderr }) => ({ failed: false, output: stdout + stderr }),
      (error: unknown) => {
        const { stdout, stderr } = error as { stdout: string; stderr: string };
        return { failed: true, output: stdout + stderr };
      },
    );
  const lambda = 'const { handler } = await import("./index.mjs"); console.log(await handler({}));';
  const recipes: [name: string, skip: boolean, command: string, args: string[], folder: string][] = [
    ["curl (needs curl 7.75 or later)", noCurl, "./account-info.sh", ["call-history"], "curl"],
    [
      "Python (needs python3 with botocore)",
      noBotocore,
      "python3",
      ["voximplant_token.py"],
      "python-botocore",
    ],
    ["Lambda", false, process.execPath, ["--input-type=module", "--eval", lambda], "lambda-eventbridge"],
    ["bash (needs curl 7.75 or later)", noCurl, "./report.sh", [], "bash"],
  ];

  describe.each(recipes)("%s", (_name, skip, command, args, folder) => {
    it.skipIf(skip).each([301, 302, 303, 307, 308])(
      "does not follow the vendor's %i, and ignores its body",
      async (status) => {
        const other = await foreign();
        const vendor = await redirectTo(other.url, status);
        const env = { ...environment(), ...nightlyReport, VOXTOKEN_URL: vendor.url };
        const { failed, output } = await outcomeOf(command, args, join(examples, folder), env);
        expect({ failed, requests: other.requests }).toEqual({ failed: true, requests: [] });
        expect(vendor.requests.length).toBeGreaterThan(0);
        expect(output).not.toContain("666666666");
        expect(output).not.toContain("eyJ.of.another");
      },
    );

    it.skipIf(skip)("does not follow the platform's 307, and does not print its body", async () => {
      const other = await foreign();
      const platform = await redirectTo(other.url, 307);
      const env = { ...environment(), ...nightlyReport, VOXIMPLANT_API_URL: platform.url };
      const stub = folder === "bash" ? { VOXTOKEN: `bash ${home}/voxtoken-stub` } : {};
      const { failed, output } = await outcomeOf(command, args, join(examples, folder), { ...env, ...stub });
      expect({ failed, requests: other.requests }).toEqual({ failed: true, requests: [] });
      expect(platform.requests.length).toBeGreaterThan(0);
      expect(output).not.toContain("666666666");
    });

    it.skipIf(skip)("sends no token to a platform without https", async () => {
      const env = { ...environment(), ...nightlyReport, VOXIMPLANT_API_URL: "http://platform.invalid/api" };
      const { failed, output } = await outcomeOf(command, args, join(examples, folder), env);
      expect(failed).toBe(true);
      expect(output).toMatch(/(?:VOXIMPLANT_API_URL|apiUrl) must be https/);
    });
  });
});

describe("each recipe's IAM policy", async () => {
  const folders = (await readdir(examples, { withFileTypes: true })).filter((entry) => entry.isDirectory());

  it.each(folders.map(({ name }) => name))(
    "for %s allows the vendor's paths and nothing else",
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
