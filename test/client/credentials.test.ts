import { once } from "node:events";
import { appendFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import os from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { awsCredentials, awsRegion } from "../../lib/client/credentials.ts";
import type { Io } from "../../lib/cli/io.ts";
import { awsConfiguration } from "../../lib/operator/operator.ts";
import { temporaryFolder } from "../cli/set-up.ts";

const CONFIG = `
[default]
aws_access_key_id = AKIDDEFAULT
aws_secret_access_key = secret
region = eu-west-1

[profile one]
aws_access_key_id = AKIDONE
aws_secret_access_key = secret
region = eu-central-1

[profile two]
aws_access_key_id = AKIDTWO
aws_secret_access_key = secret
region = us-east-2

[profile failing]
credential_process = KEY=hunter2 false --token hunter2

[profile over-failing]
role_arn = arn:aws:iam::111122223333:role/billing-worker
source_profile = failing

[profile failing-loudly]
credential_process = sh -c "echo hunter2 >&2; exit 1" --password hunter2

[profile over-failing-loudly]
role_arn = arn:aws:iam::111122223333:role/billing-worker
source_profile = failing-loudly

[profile failing-quoted]
credential_process = PASSWORD="my hunter2" false

[profile region-only]
region = eu-west-1
`;
const key = { AWS_ACCESS_KEY_ID: "AKIDENV", AWS_SECRET_ACCESS_KEY: "secret" };
const NAMES = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", ...Object.keys(key)];

async function configure(env: Record<string, string>) {
  const file = join(await temporaryFolder(), "config");
  await writeFile(file, CONFIG);
  for (const name of NAMES) vi.stubEnv(name, env[name]);
  vi.stubEnv("AWS_CONFIG_FILE", file);
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
  onTestFinished(() => void vi.unstubAllEnvs());
}

/** As in ECS: an endpoint that has the credentials of the machine's role. */
async function machineCredentials(): Promise<string> {
  const Expiration = new Date(Date.now() + 3_600_000).toISOString();
  const body = { AccessKeyId: "AKIDMACHINE", SecretAccessKey: "secret", Token: "token", Expiration };
  const server = createServer((_, response) => response.end(JSON.stringify(body))).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** The library and the admin commands: what each of them signs as, and where. */
async function found(env: Record<string, string>, profile: string | undefined) {
  await configure(env);
  const io = { env } as Pick<Io, "env"> as Io;
  const admin = awsConfiguration(io, profile === undefined ? {} : { profile }, "LAMBDA");
  const library = [(await awsCredentials(profile)()).accessKeyId, await awsRegion(undefined, profile)];
  return { library, admin: [(await admin.credentials()).accessKeyId, await admin.region()] };
}

describe("the AWS credentials and the region", () => {
  it.each<[string, Record<string, string>, string | undefined, string, string]>([
    ["the default profile", {}, undefined, "AKIDDEFAULT", "eu-west-1"],
    ["AWS_PROFILE", { AWS_PROFILE: "one" }, undefined, "AKIDONE", "eu-central-1"],
    ["AWS_DEFAULT_PROFILE", { AWS_DEFAULT_PROFILE: "one" }, undefined, "AKIDONE", "eu-central-1"],
    [
      "AWS_DEFAULT_PROFILE before AWS_PROFILE",
      { AWS_DEFAULT_PROFILE: "one", AWS_PROFILE: "two" },
      undefined,
      "AKIDONE",
      "eu-central-1",
    ],
    [
      "a key before AWS_DEFAULT_PROFILE",
      { ...key, AWS_DEFAULT_PROFILE: "one" },
      undefined,
      "AKIDENV",
      "eu-central-1",
    ],
    ["a key before AWS_PROFILE", { ...key, AWS_PROFILE: "one" }, undefined, "AKIDENV", "eu-central-1"],
    ["--profile before a key", key, "two", "AKIDTWO", "us-east-2"],
    ["--profile before AWS_PROFILE", { AWS_PROFILE: "one" }, "two", "AKIDTWO", "us-east-2"],
    ["--profile's region before AWS_REGION", { AWS_REGION: "sa-east-1" }, "two", "AKIDTWO", "us-east-2"],
    [
      "AWS_REGION before AWS_PROFILE's region",
      { AWS_REGION: "sa-east-1", AWS_PROFILE: "one" },
      undefined,
      "AKIDONE",
      "sa-east-1",
    ],
    ["AWS_DEFAULT_REGION", { AWS_DEFAULT_REGION: "sa-east-1" }, undefined, "AKIDDEFAULT", "sa-east-1"],
  ])(
    "come from %s, for the library and the admin commands",
    async (_rule, env, profile, accessKeyId, region) => {
      const expected = [accessKeyId, region];
      expect(await found(env, profile)).toEqual({ library: expected, admin: expected });
    },
  );

  it.each([
    ["option", {}, "nope"],
    ["variable", { AWS_PROFILE: "nope" }, undefined],
    ["other variable", { AWS_DEFAULT_PROFILE: "nope" }, undefined],
  ])("are not found if the profile does not exist: %s", async (_how, env, profile) => {
    await configure(env);
    await expect(awsCredentials(profile)()).rejects.toThrow('the AWS configuration has no profile "nope"');
  });

  it("are not found if a credential process fails: the error names it without its arguments", async () => {
    await configure({});
    await expect(awsCredentials("failing")()).rejects.toThrow(
      /^credential_process of profile "failing" failed: false$/,
    );
  });

  it.each([
    ["in its arguments and its output", "failing-loudly"],
    ["in the command of a source profile", "over-failing-loudly"],
    ["in a quoted variable", "failing-quoted"],
  ])("are not found without showing a secret %s", async (_, profile) => {
    await configure({});
    const error: unknown = await awsCredentials(profile)().catch((thrown: unknown) => thrown);
    expect(inspect(error)).toContain("credential_process of");
    expect(inspect(error)).not.toContain("hunter2");
  });

  it("are found by variables for a user without a home directory", async () => {
    await configure({ ...key, AWS_REGION: "sa-east-1" });
    vi.stubEnv("AWS_CONFIG_FILE", undefined);
    vi.spyOn(os, "homedir").mockImplementation(() => {
      throw Object.assign(new Error("uv_os_homedir returned ENOENT"), { syscall: "uv_os_homedir" });
    });
    vi.stubEnv("HOME", undefined);
    onTestFinished(() => void vi.restoreAllMocks());
    expect(await awsRegion(undefined, undefined)).toBe("sa-east-1");
  });

  it.each(["failing", "over-failing"])(
    "are not those of the machine if the profile's own cannot be found: %s",
    async (profile) => {
      const url = await machineCredentials();
      await configure({});
      vi.stubEnv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
      await expect(awsCredentials(profile)()).rejects.toThrow();
      expect(await awsCredentials("region-only")()).toMatchObject({ accessKeyId: "AKIDMACHINE" });
    },
  );

  it("are found again when they expire, and not before", async () => {
    const folder = await temporaryFolder();
    const answer = join(folder, "answer.json");
    const expireAt = (time: number, AccessKeyId: string) =>
      writeFile(
        answer,
        JSON.stringify({ Version: 1, AccessKeyId, SecretAccessKey: "s", Expiration: new Date(time) }),
      );
    await configure({});
    await appendFile(
      process.env["AWS_CONFIG_FILE"] ?? "",
      `[profile process]\ncredential_process = cat ${answer}\n`,
    );
    vi.useFakeTimers({ toFake: ["Date"] });
    onTestFinished(() => void vi.useRealTimers());
    const hour = 3_600_000;
    const start = Date.now();
    const find = awsCredentials("process");
    await expireAt(start + hour, "AKIDFIRST");
    expect(await find()).toMatchObject({ accessKeyId: "AKIDFIRST" });

    await expireAt(start + 2 * hour, "AKIDSECOND");
    vi.setSystemTime(start + hour - 61_000);
    expect(await find()).toMatchObject({ accessKeyId: "AKIDFIRST" });
    vi.setSystemTime(start + hour - 59_000);
    expect(await find()).toMatchObject({ accessKeyId: "AKIDSECOND" });

    await expireAt(start + 3 * hour, "AKIDTHIRD");
    expect(await find()).toMatchObject({ accessKeyId: "AKIDSECOND" });
    expect(await find({ forceRefresh: true })).toMatchObject({ accessKeyId: "AKIDTHIRD" });
  });

  it("are found without a warning of the SDK if a profile comes before a key", async () => {
    const warn = vi.spyOn(console, "warn").mockReturnValue();
    await found(key, "two");
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });
});
