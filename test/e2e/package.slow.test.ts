import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import identities from "../../local/identities.json" with { type: "json" };
import { startStack, type Stack } from "../../local/stack.ts";
import { emitTypes } from "../../scripts/bundle-package.ts";
import { FETCHING_NODE_MS, findNode, NODE_MAJORS } from "./node-runtime.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");

interface Manifest {
  readonly name: string;
  readonly scripts: Record<string, string>;
  readonly dependencies: Record<string, string>;
}

const readManifest = async () =>
  JSON.parse(await readFile(join(installed, "package.json"), "utf8")) as Manifest;

let stack: Stack;
/** A folder with nothing in it but the package, its dependencies, and a little program. */
let project: string;
let installed: string;
let tarball: string;

beforeAll(async () => {
  stack = await startStack();
  project = await mkdtemp(join(tmpdir(), "voxtoken-package-"));
  emitTypes();
  const pack = ["pack", "--ignore-scripts", "--json", "--pack-destination", project];
  const { stdout } = await run("npm", pack, { cwd: root });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  tarball = join(project, filename);
  installed = join(project, "node_modules/voxtoken");
  await install();
}, 180_000);

afterAll(async () => {
  await stack.close();
  await rm(project, { recursive: true, force: true });
});

/**
 * As npm would, but with no registry: the declared dependencies are links to the ones at hand. One
 * that is used and not declared is not there.
 */
async function install(): Promise<void> {
  await mkdir(installed, { recursive: true });
  await run("tar", ["-xzf", tarball, "--strip-components=1", "-C", installed]);
  const { dependencies } = await readManifest();
  for (const name of Object.keys(dependencies)) {
    const link = join(project, "node_modules", name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(root, "node_modules", name), link);
  }
  const program = (load: string) => `${load}
    const getToken = createTokenProvider({ url: process.argv[2], serviceAccount: "call-history" });
    callApi(getToken, "GetAccountInfo", {}, { apiUrl: process.argv[3] }).then(({ result }) => {
      console.log(result.account_id);
    });`;
  const names = "{ createTokenProvider, callApi }";
  await writeFile(join(project, "program.mjs"), program(`import ${names} from "voxtoken";`));
  await writeFile(join(project, "program.cjs"), program(`const ${names} = require("voxtoken");`));
}

/**
 * The environment of a user with a profile of the local stack's, and a home directory of their own.
 */
function environment(home: string, profile = "nightly-report") {
  return {
    PATH: process.env["PATH"],
    HOME: home,
    AWS_SHARED_CREDENTIALS_FILE: join(root, "local/aws-credentials"),
    AWS_CONFIG_FILE: join(home, "no-config"),
    AWS_PROFILE: profile,
    VOXTOKEN_URL: stack.url,
    VOXIMPLANT_API_URL: stack.managementApi.apiUrl,
  };
}

const newHome = () => mkdtemp(join(project, "home-"));
const voxtoken = () => join(installed, "dist/cli/voxtoken.js");
const tokenCalls = () => stack.gateway.calls.filter(({ method }) => method === "POST").length;

describe("the package as npm would publish it", () => {
  it("contains the client and the command line, and nothing of the server", async () => {
    const { stdout } = await run("tar", ["-tzf", tarball]);
    const files = stdout.trim().split("\n");
    expect(files).toContain("package/dist/client/types/client/index.d.ts");
    expect(
      files.filter(
        (file) =>
          !/^package\/(?:dist\/(?:client|cli)\/|dist\/THIRD-PARTY-LICENSES\.txt|LICENSE|README|CHANGELOG|package\.json)/.test(
            file,
          ),
      ),
    ).toEqual([]);
    const sizes = await Promise.all(
      ["client/index.js", "cli/voxtoken.js"].map((file) => readFile(join(installed, "dist", file), "utf8")),
    );
    for (const text of sizes) expect(text).not.toMatch(/PRIVATE KEY-----\\n[A-Za-z0-9+/]{20}/);
  });

  it("passes publint", async () => {
    const { messages } = await publint({ pkgDir: installed, strict: true, pack: false });
    const manifest = { ...(await readManifest()) };
    expect(messages.map((message) => formatMessage(message, manifest))).toEqual([]);
  });

  it("has types that are right for import and for require, according to are-the-types-wrong", async () => {
    // It ends with a status other than 0, and says why, when something is wrong. node10 knows no
    // `exports`, and no Node that runs this package resolves that way.
    const check = run("node_modules/.bin/attw", [tarball, "--profile", "node16", "--no-color"], {
      cwd: root,
    });
    await expect(check).resolves.toMatchObject({ stderr: "" });
  });

  it("depends only on packages that a consumer must be able to patch, and on no AWS service client", async () => {
    const { name, dependencies } = await readManifest();
    expect(name).toBe("voxtoken");
    const others = Object.keys(dependencies).filter(
      (name) => !/^@(?:aws-sdk|smithy)\//.test(name) || name.startsWith("@aws-sdk/client-"),
    );
    expect(others).toEqual([]);
  });

  it("has no import() in its CommonJS files, because Jest cannot run it", async () => {
    const code = await readFile(join(installed, "dist/client/index.cjs"), "utf8");
    expect(code).toContain("require(");
    expect(code.replace(/^\s*(?:\/\/|\*).*$/gm, "")).not.toMatch(/\bimport\(/);
  });

  it("has no install script that npm would warn about", async () => {
    const { scripts } = await readManifest();
    const warned = ["preinstall", "install", "postinstall", "prepare"];
    expect(Object.keys(scripts).filter((name) => warned.includes(name))).toEqual([]);
  });

  it("contains the licence of each bundled package", async () => {
    const text = await readFile(join(installed, "dist/THIRD-PARTY-LICENSES.txt"), "utf8");
    const sections = text.split(`\n${"-".repeat(80)}\n`).slice(1);
    const names = sections.map((section) => section.trim().split(" ")[0]);
    expect(names).toEqual(expect.arrayContaining(["commander", "yaml", "zod"]));
    const { dependencies } = await readManifest();
    expect(names.filter((name) => name !== undefined && name in dependencies)).toEqual([]);
    for (const section of sections) expect(section).toMatch(/permi(?:t|ssion)/i);
  });
});

describe.each(NODE_MAJORS)("the installed package on Node %i", { timeout: FETCHING_NODE_MS }, (major) => {
  it.for(["program.mjs", "program.cjs"])("works as a library in %s", async (program, context) => {
    const node = await findNode(major, context);
    const args = [program, stack.url, stack.managementApi.apiUrl];
    const { stdout } = await run(node, args, { cwd: project, env: environment(await newHome()) });
    expect(stdout).toBe("1234567\n");
  });

  it("works as a command line", async (context) => {
    const node = await findNode(major, context);
    const env = environment(await newHome());
    const { stdout: who } = await run(node, [voxtoken(), "whoami"], { env });
    expect(who).toContain("arn:aws:iam::111122223333:role/nightly-report");
    const { stdout: answer } = await run(node, [voxtoken(), "api", "call-history", "GetAccountInfo"], {
      env,
    });
    expect(JSON.parse(answer)).toMatchObject({ result: { account_id: 1234567 } });
    const { stdout: found } = await run(node, [voxtoken(), "doctor"], { env });
    expect(found).not.toContain("FAIL");
    const lint = run(node, [voxtoken(), "admin", "lint", join(root, "grants.yml")], { env });
    await expect(lint).resolves.toMatchObject({ stderr: "" });
  });
});

/** STS's answer: the credentials that the local stack knows for the role. */
function assumedRole(): string {
  const { accessKeyId, secretAccessKey, sessionToken } =
    identities.find(({ userArn }) => userArn.includes("/nightly-report/")) ?? identities[0] ?? {};
  const expiration = new Date(Date.now() + 3_600_000).toISOString();
  return `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>${accessKeyId ?? ""}</AccessKeyId><SecretAccessKey>${secretAccessKey ?? ""}</SecretAccessKey>
<SessionToken>${sessionToken ?? ""}</SessionToken><Expiration>${expiration}</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>`;
}

describe("50 voxtoken processes at once", () => {
  it("make one request, counted at the gateway", async () => {
    const env = environment(await newHome());
    const before = tokenCalls();
    const outputs = await Promise.all(
      Array.from({ length: 50 }, () =>
        // The gateway runs in this very process, and answers between fifty starts of Node: time
        // enough for that.
        run(process.execPath, [voxtoken(), "token", "outbound-calls", "--timeout", "120"], { env }),
      ),
    );
    expect(new Set(outputs.map(({ stdout }) => stdout)).size).toBe(1);
    expect(new Set(outputs.map(({ stderr }) => stderr))).toEqual(new Set([""]));
    expect(tokenCalls() - before).toBe(1);
  }, 240_000);

  it("make one request although the first one is killed while it holds the lock", async () => {
    const home = await newHome();
    // The first process asks STS for its role while it holds the lock, and gets no answer.
    let asked = 0;
    const sts = createServer((_request, response) => {
      asked += 1;
      if (asked > 1) response.writeHead(200, { "content-type": "text/xml" }).end(assumedRole());
    });
    await new Promise<void>((resolve) => sts.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      sts.closeAllConnections();
      sts.close();
    });
    const config = join(home, "config");
    const role = "arn:aws:iam::111122223333:role/nightly-report";
    await writeFile(
      config,
      `[profile assumed]\nregion = us-east-1\nrole_arn = ${role}\nsource_profile = nightly-report\n`,
    );
    const env = {
      ...environment(home, "assumed"),
      AWS_CONFIG_FILE: config,
      AWS_ENDPOINT_URL_STS: `http://127.0.0.1:${(sts.address() as AddressInfo).port}`,
    };
    const start = () => {
      const args = [voxtoken(), "token", "outbound-calls", "--timeout", "120"];
      const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
      const shown = { out: "", err: "" };
      child.stdout.on("data", (chunk: Buffer) => (shown.out += chunk.toString()));
      child.stderr.on("data", (chunk: Buffer) => (shown.err += chunk.toString()));
      return { child, ended: once(child, "close").then(() => shown) };
    };
    const before = tokenCalls();
    const processes = Array.from({ length: 50 }, start);
    await vi.waitUntil(() => asked > 0, { timeout: 60_000 });
    const cache = join(home, ".cache/voxtoken");
    const lock = (await readdir(cache)).find((name) => name.endsWith(".lock")) ?? "";
    const { pid } = JSON.parse(await readFile(join(cache, lock), "utf8")) as { pid: number };
    process.kill(pid, "SIGKILL");
    const others = processes.filter(({ child }) => child.pid !== pid);
    expect(others).toHaveLength(49);
    const outputs = await Promise.all(others.map(({ ended }) => ended));
    expect(new Set(outputs.map(({ out }) => out)).size).toBe(1);
    expect(new Set(outputs.map(({ err }) => err))).toEqual(new Set([""]));
    expect(tokenCalls() - before).toBe(1);
  }, 240_000);

  it("get no cached token of another identity", async () => {
    const home = await newHome();
    await run(process.execPath, [voxtoken(), "token", "outbound-calls"], { env: environment(home) });
    const stranger = run(process.execPath, [voxtoken(), "token", "outbound-calls"], {
      env: environment(home, "intern"),
    });
    await expect(stranger).rejects.toMatchObject({
      code: 3,
      stdout: "",
      stderr: expect.stringContaining("access_denied") as string,
    });
  });
});

describe("an empty environment variable", () => {
  it("counts as absent for the AWS SDK as well", async () => {
    const home = await newHome();
    const config = join(home, "config");
    await writeFile(config, "[default]\nregion = us-east-1\n");
    const empty = { AWS_REGION: "", AWS_DEFAULT_REGION: "", AWS_PROFILE: "", AWS_USE_FIPS_ENDPOINT: "" };
    const env = {
      ...environment(home),
      ...empty,
      AWS_CONFIG_FILE: config,
      AWS_ACCESS_KEY_ID: "AKIAEXAMPLE",
      AWS_SECRET_ACCESS_KEY: "example",
      AWS_ENDPOINT_URL_SECRETS_MANAGER: stack.secretsUrl,
    };
    const args = ["admin", "keys", "--direct", "--grants", join(root, "grants.yml")];
    const { stdout } = await run(process.execPath, [voxtoken(), ...args], { env });
    expect(stdout).toContain("outbound-calls");
  });

  it("reaches the command of exec unchanged", async () => {
    const env = { ...environment(await newHome()), AWS_REGION: "", UNRELATED: "" };
    const show = 'echo "${AWS_REGION-unset},${UNRELATED-unset}"';
    const args = ["exec", "outbound-calls", "--", "sh", "-c", show];
    const { stdout } = await run(process.execPath, [voxtoken(), ...args], { env });
    expect(stdout).toBe(",\n");
  });
});

describe("voxtoken exec, as a process", () => {
  const exec = async (command: readonly string[]) =>
    spawn(process.execPath, [voxtoken(), "exec", "outbound-calls", "--", ...command], {
      env: environment(await newHome()),
      stdio: ["ignore", "pipe", "inherit"],
    });

  it("passes on the exit status", async () => {
    const child = await exec(["sh", "-c", "exit 42"]);
    expect(await once(child, "exit")).toEqual([42, null]);
  });

  it("passes on a signal, and the status that its command exits with", async () => {
    const child = await exec(["sh", "-c", 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done']);
    await once(child.stdout, "data");
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([7, null]);
  });

  it("exits with the status that names the signal which ended the command", async () => {
    const child = await exec(["sh", "-c", "kill -9 $$"]);
    expect(await once(child, "exit")).toEqual([137, null]);
  });

  it("passes the token in the environment only", async () => {
    const child = await exec([
      "sh",
      "-c",
      'echo "$VOXIMPLANT_ACCESS_TOKEN"; tr "\\0" " " < /proc/$PPID/cmdline',
    ]);
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    await once(child, "close");
    const [token, commandLine] = output.split("\n");
    expect(token).toMatch(/^eyJ/);
    if (process.platform === "linux") expect(commandLine).not.toContain(token);
  });
});
