import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterAll, describe, expect, it } from "vitest";
import { sampleGrants } from "./describe.ts";
import { serverlessRuns } from "./package-service.ts";

const installed = spawnSync("moto_server", ["--help"]).status === 0;
const runs = serverlessRuns();
/** The sample, with principals of the emulator's account. */
const ownGrants = sampleGrants.replaceAll("111122223333", "123456789012");
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
  it("refuses the principals of the sample, and says which lines to change", async () => {
    await expect(runs.run({ command: "deploy" })).rejects.toMatchObject({
      stdout: expect.stringMatching(/grants\.yml:\d+: arn:aws:iam::111122223333:/) as string,
    });
  }, 240_000);

  it.skipIf(!installed)(
    `goes through against an emulator of AWS, and deploys the zips that were packaged${installed ? "" : " (moto_server is not installed)"}`,
    async () => {
      const url = await startEmulator();
      const deployed = await runs.run({
        command: "deploy",
        params: { rotate: "all", encryptLogs: "true" },
        grants: ownGrants,
        environment: {
          AWS_ENDPOINT_URL: url,
          AWS_ACCESS_KEY_ID: "testing",
          AWS_SECRET_ACCESS_KEY: "testing",
        },
      });

      const stacks = await fetch(`${url}/?Action=DescribeStacks&Version=2010-05-15`, {
        headers: signedFor("cloudformation"),
      });
      expect(await stacks.text()).toContain("<StackStatus>UPDATE_COMPLETE</StackStatus>");

      const listed = await fetch(`${url}/2015-03-31/functions/`, { headers: signedFor("lambda") });
      const { Functions } = (await listed.json()) as { Functions: readonly Record<string, unknown>[] };
      expect(
        Functions.map(({ FunctionName, Runtime, CodeSha256 }) => [FunctionName, Runtime, CodeSha256]).sort(),
      ).toEqual(
        ["reconcile-keys", "rotate-key", "vend-token"].map((name) => [
          `voximplant-token-vendor-dev-${name}`,
          "nodejs24.x",
          createHash("sha256").update(deployed.zip(name)).digest("base64"),
        ]),
      );
    },
    240_000,
  );
});
