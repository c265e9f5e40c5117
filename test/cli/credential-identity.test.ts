import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { credentialIdentity } from "../../lib/cli/credential-identity.ts";
import { temporaryFolder } from "./set-up.ts";

const CONFIG = `
[default]
region = eu-west-1

[profile keys]
aws_access_key_id = AKIDFILE
aws_secret_access_key = secret

[profile billing]
role_arn = arn:aws:iam::111122223333:role/billing-worker
source_profile = keys

[profile pod]
role_arn = arn:aws:iam::111122223333:role/pod
web_identity_token_file = /var/run/token

[profile sso]
sso_session = corp
sso_account_id = 111122223333
sso_role_name = nightly-report

[profile process]
credential_process = /usr/bin/credentials

[profile both]
aws_access_key_id = AKIDFILE
role_arn = arn:aws:iam::111122223333:role/pod
web_identity_token_file = /var/run/token
`;
const keyInEnvironment = { AWS_ACCESS_KEY_ID: "AKIDENV", AWS_SECRET_ACCESS_KEY: "secret" };

describe("credentialIdentity finds", () => {
  it.each<[string, Record<string, string>, string | undefined, string[] | undefined]>([
    ["a key in the environment", keyInEnvironment, undefined, ["key", "AKIDENV"]],
    [
      "a key in the environment although AWS_PROFILE is set",
      { ...keyInEnvironment, AWS_PROFILE: "billing" },
      undefined,
      ["key", "AKIDENV"],
    ],
    [
      "the role of AWS_DEFAULT_PROFILE although AWS_PROFILE is set",
      { AWS_DEFAULT_PROFILE: "billing", AWS_PROFILE: "sso" },
      undefined,
      ["role", "arn:aws:iam::111122223333:role/billing-worker"],
    ],
    [
      "the role of --profile although a key is in the environment",
      keyInEnvironment,
      "billing",
      ["role", "arn:aws:iam::111122223333:role/billing-worker"],
    ],
    ["nothing for half a key in the environment", { AWS_ACCESS_KEY_ID: "AKIDENV" }, undefined, undefined],
    [
      "a role that a profile assumes",
      {},
      "billing",
      ["role", "arn:aws:iam::111122223333:role/billing-worker"],
    ],
    ["a role by web identity", {}, "pod", ["role", "arn:aws:iam::111122223333:role/pod"]],
    ["a role of IAM Identity Center", {}, "sso", ["sso", "111122223333", "nightly-report"]],
    [
      "the role of --profile although AWS_PROFILE is set",
      { AWS_PROFILE: "billing" },
      "sso",
      ["sso", "111122223333", "nightly-report"],
    ],
    [
      "the role of a pod although the default profile has a region",
      { AWS_ROLE_ARN: "arn:aws:iam::111122223333:role/pod", AWS_WEB_IDENTITY_TOKEN_FILE: "/var/run/token" },
      undefined,
      ["role", "arn:aws:iam::111122223333:role/pod"],
    ],
    ["a key in a file", {}, "keys", ["key", "AKIDFILE"]],
    ["nothing for a credential process", {}, "process", undefined],
    ["nothing for a profile with both a key and a role", {}, "both", undefined],
    ["nothing for a machine's role", {}, undefined, undefined],
    ["nothing for a profile that does not exist", {}, "nobody", undefined],
  ])("%s", async (_who, env, profile, identity) => {
    const file = join(await temporaryFolder(), "config");
    await writeFile(file, CONFIG);
    vi.stubEnv("AWS_CONFIG_FILE", file);
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(await credentialIdentity(env, profile)).toEqual(identity);
  });

  it("names an EKS pod's role if there is no configuration file", async () => {
    vi.stubEnv("AWS_CONFIG_FILE", "/nonexistent");
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
    onTestFinished(() => void vi.unstubAllEnvs());
    const env = {
      AWS_ROLE_ARN: "arn:aws:iam::111122223333:role/pod",
      AWS_WEB_IDENTITY_TOKEN_FILE: "/var/run/token",
    };
    expect(await credentialIdentity(env, undefined)).toEqual(["role", "arn:aws:iam::111122223333:role/pod"]);
  });
});
