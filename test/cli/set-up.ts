import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, vi } from "vitest";
import type { Io } from "../../lib/cli/io.ts";
import { runVoxtoken } from "../fakes/voxtoken.ts";
import { fakeIo } from "../fakes/io.ts";
import { type Behaviour, startVendor } from "../fakes/vendor-server.ts";

/**
 * Where the AWS SDK finds the credentials of these tests. It reads the process's environment,
 * whatever a test's `Io` says.
 */
export const awsEnvironment = {
  AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
  AWS_SECRET_ACCESS_KEY: "secret-access-key",
  AWS_SESSION_TOKEN: undefined,
  AWS_PROFILE: undefined,
  AWS_DEFAULT_PROFILE: undefined,
  AWS_REGION: "eu-west-1",
  AWS_CONFIG_FILE: "/nonexistent/config",
  AWS_SHARED_CREDENTIALS_FILE: "/nonexistent/credentials",
  AWS_EC2_METADATA_DISABLED: "true",
};

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "home-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs command lines against a vendor that behaves so, each time with the same home directory. */
export async function setUpCli(behaviours: readonly Behaviour[]) {
  const vendor = await startVendor(behaviours);
  onTestFinished(vendor.close);
  const homeDirectory = await temporaryFolder();
  const run = async (args: readonly string[], overrides: Partial<Io> = {}) => {
    const env: Record<string, string | undefined> = {
      ...awsEnvironment,
      VOXTOKEN_URL: vendor.url,
      ...overrides.env,
    };
    for (const name of Object.keys(awsEnvironment)) vi.stubEnv(name, env[name]);
    const io = fakeIo({ homeDirectory, fetch: globalThis.fetch, now: Date.now, ...overrides, env });
    const status = await runVoxtoken(args, io).finally(() => vi.unstubAllEnvs());
    return { status, out: io.out(), err: io.err() };
  };
  return { vendor, homeDirectory, run };
}
