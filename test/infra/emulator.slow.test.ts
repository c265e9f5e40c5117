import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { sampleGrants } from "./describe.ts";
import { serverlessRuns, writeService } from "./package-service.ts";

const installed = [
  ["moto_server", "--help"],
  ["aws", "--version"],
].every(([command = "", ...args]) => spawnSync(command, args).status === 0);
const runs = serverlessRuns();
/** The sample, with principals of the emulator's account, and secrets of the stage's own. */
const ownGrants = sampleGrants
  .replaceAll("111122223333", "123456789012")
  .replaceAll("secret: voximplant/", "secret: voximplant/${stage}/");
let emulator: ChildProcess | undefined;
afterAll(async () => {
  runs.clean();
  if (emulator?.kill() === true) await once(emulator, "exit");
});

async function startEmulator(): Promise<string> {
  emulator = spawn("moto_server", ["-H", "127.0.0.1", "-p", "0"], { stdio: ["ignore", "ignore", "pipe"] });
  if (emulator.stderr === null) throw new Error("moto_server has no output");
  for await (const line of createInterface(emulator.stderr)) {
    const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(line) ?? [];
    if (url === undefined) continue;
    emulator.stderr.resume();
    return url;
  }
  throw new Error("moto_server ended without saying where it listens");
}

/** Enough of a signature for the emulator to tell the service; it does not check one. */
const signedFor = (service: string) => ({
  authorization: `AWS4-HMAC-SHA256 Credential=testing/20261124/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=0`,
});

describe("serverless deploy", () => {
  it("refuses the sample's principals and names the lines to change", async () => {
    await expect(runs.run({ command: "deploy" })).rejects.toMatchObject({
      stdout: expect.stringMatching(/grants\.yml:\d+: arn:aws:iam::111122223333:/) as string,
    });
  }, 240_000);

  it("refuses parameters on the command line and misspelt ones in serverless.yml", async () => {
    await expect(runs.run({ args: ["--param=alarmEmail=a@example.com"] })).rejects.toMatchObject({
      stdout: expect.stringContaining("parameters belong in serverless.yml, below params.dev") as string,
    });
    await expect(runs.run({ params: { alarmMail: "a@example.com" } })).rejects.toMatchObject({
      stdout: expect.stringContaining("no such parameter: alarmMail") as string,
    });
  }, 240_000);

  it.skipIf(!installed)(
    `deploys to an emulator of AWS, dev by osls and prod by the plain template${installed ? "" : " (moto_server or the AWS CLI is not installed)"}`,
    async () => {
      const url = await startEmulator();
      const environment = {
        AWS_ENDPOINT_URL: url,
        AWS_ACCESS_KEY_ID: "testing",
        AWS_SECRET_ACCESS_KEY: "testing",
        AWS_DEFAULT_REGION: "us-east-1",
      };
      const deployed = await runs.run({
        command: "deploy",
        params: { rotate: "all", encryptLogs: "true" },
        grants: ownGrants,
        environment,
      });

      const prod = runs.folder();
      writeService(prod, { grants: ownGrants });
      // moto finds the bucket in the path of a template's URL only below this host name.
      const localhost = { ...environment, AWS_ENDPOINT_URL: url.replace("127.0.0.1", "localhost") };
      const run = (command: string, ...args: string[]) =>
        promisify(execFile)(command, args, { cwd: prod, env: { ...process.env, ...localhost } });
      const { stdout } = await run(
        "npm",
        "run",
        "-s",
        "template",
        "--",
        "--stage",
        "prod",
        "--region",
        "us-east-1",
      );
      await run("aws", "s3", "mb", "s3://zips");
      for (const [, command = ""] of stdout
        .replaceAll("\\\n", "")
        .replaceAll("BUCKET", "zips")
        .matchAll(/^ *aws (.*)$/gm))
        await run("aws", ...command.trim().split(/ +/));

      const stacks = await fetch(`${url}/?Action=DescribeStacks&Version=2010-05-15`, {
        headers: signedFor("cloudformation"),
      });
      const text = await stacks.text();
      expect([...text.matchAll(/<StackName>(.*?)</g)].map(([, name = ""]) => name).sort()).toEqual([
        "voximplant-token-vendor-dev",
        "voximplant-token-vendor-prod",
      ]);
      for (const [, status] of text.matchAll(/<StackStatus>(.*?)</g))
        expect(status).toMatch(/^(CREATE|UPDATE)_COMPLETE$/);

      const listed = await fetch(`${url}/2015-03-31/functions/`, { headers: signedFor("lambda") });
      const { Functions } = (await listed.json()) as {
        Functions: readonly { FunctionName: string; Runtime: string; CodeSha256: string }[];
      };
      const sha = (zip: Buffer) => createHash("sha256").update(zip).digest("base64");
      const names = ["call-method", "reconcile-keys", "rotate-key", "vend-token"];
      expect(
        Functions.toSorted((a, b) => a.FunctionName.localeCompare(b.FunctionName)).map(
          ({ FunctionName, Runtime, CodeSha256 }) => [FunctionName, Runtime, CodeSha256],
        ),
      ).toEqual([
        ...names.map((name) => [
          `voximplant-token-vendor-dev-${name}`,
          "nodejs24.x",
          sha(deployed.zip(name)),
        ]),
        ...names.map((name) => [
          `voximplant-token-vendor-prod-${name}`,
          "nodejs24.x",
          sha(readFileSync(join(prod, "dist/cloudformation", `${name}.zip`))),
        ]),
      ]);
    },
    480_000,
  );
});
