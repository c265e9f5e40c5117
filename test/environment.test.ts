import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { managementApiUrl } from "../lib/cli/api.ts";
import { credentialIdentity } from "../lib/cli/credential-identity.ts";
import { cacheDirectory } from "../lib/cli/token-cache.ts";
import { vendorOptions } from "../lib/cli/vendor.ts";
import { apiUrlOf } from "../lib/client/call-api.ts";
import { awsCredentials, awsRegion } from "../lib/client/credentials.ts";
import { parseVendorOptions } from "../lib/client/options.ts";
import { readConfiguration } from "../lib/configuration.ts";
import { deleteEmpty, type Environment, present, readPath, readVariable } from "../lib/environment.ts";
import { awsConfiguration } from "../lib/operator/operator.ts";
import { MANAGEMENT_API_URL } from "../lib/voximplant/api-url.ts";
import { settingsFrom } from "../local/settings.ts";
import { temporaryFolder } from "./cli/set-up.ts";
import { fakeIo } from "./fakes/io.ts";

const home = { homeDirectory: "/home/me" };
const key = { AWS_ACCESS_KEY_ID: "AKIDENV", AWS_SECRET_ACCESS_KEY: "secret" };
const secretsManager = (env: Environment) => awsConfiguration(fakeIo({ env }), {}, "SECRETS_MANAGER");

/**
 * Who reads which variable, what else is set, and what the reader makes of it when the variable is
 * absent.
 */
const readers: [
  variables: string[],
  by: string,
  read: (env: Environment) => unknown,
  others: Environment,
  absent: unknown,
][] = [
  [
    ["XDG_CACHE_HOME"],
    "the cache",
    (env) => cacheDirectory({ env, ...home }),
    {},
    "/home/me/.cache/voxtoken",
  ],
  [["VOXIMPLANT_API_URL"], "the command line", (env) => managementApiUrl({ env }), {}, MANAGEMENT_API_URL],
  [["AWS_PROFILE"], "the cache's key", (env) => credentialIdentity(env, undefined), key, ["key", "AKIDENV"]],
  [
    ["AWS_ENDPOINT_URL_SECRETS_MANAGER"],
    "admin",
    (env) => secretsManager(env).endpoint,
    { AWS_ENDPOINT_URL: "http://127.0.0.1:4566" },
    "http://127.0.0.1:4566",
  ],
  [
    ["AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL"],
    "admin",
    (env) => secretsManager(env).endpoint,
    {},
    undefined,
  ],
  [
    ["AWS_REGION"],
    "admin",
    (env) => secretsManager(env).region(),
    { AWS_DEFAULT_REGION: "eu-west-1" },
    "eu-west-1",
  ],
  [
    ["AWS_REGION", "AWS_DEFAULT_REGION"],
    "admin",
    (env) => awsRegion(undefined, undefined, env),
    {},
    undefined,
  ],
  [
    ["AWS_SESSION_TOKEN"],
    "admin",
    (env) => secretsManager(env).credentials(),
    key,
    { accessKeyId: "AKIDENV", secretAccessKey: "secret" },
  ],
  [
    ["AWS_SECRET_ACCESS_KEY"],
    "admin",
    (env) => awsCredentials("nope", env)().catch(String),
    { AWS_ACCESS_KEY_ID: "A" },
    'Error: the AWS configuration has no profile "nope"',
  ],
  [
    ["SIGNING_KEY_TTL_SECONDS", "SIGNING_KEY_MAX_STALE_SECONDS", "VOXIMPLANT_API_URL"],
    "the functions",
    readConfiguration,
    {},
    readConfiguration({}),
  ],
  [
    ["AWS_ENDPOINT_URL_SECRETS_MANAGER", "SIGNING_KEY_TTL_SECONDS"],
    "the local stack",
    settingsFrom,
    {},
    { env: {} },
  ],
];

describe("an empty environment variable", () => {
  it.each(readers)("%j counts as absent for %s", async (variables, _by, read, others, absent) => {
    const empty = Object.fromEntries(variables.map((name) => [name, ""]));
    expect(await read(others)).toEqual(absent);
    expect(await read({ ...others, ...empty })).toEqual(absent);
  });

  it("counts as absent for VOXTOKEN_URL, and the command line reports that there is no url", () => {
    expect(() => vendorOptions(fakeIo({ env: { VOXTOKEN_URL: "" } }), {})).toThrow(
      "no url of a token vendor",
    );
  });

  it("counts as absent for AWS_REGION, and the profile's region is used", async () => {
    const config = join(await temporaryFolder(), "config");
    await writeFile(config, "[default]\nregion = eu-central-1\n");
    for (const [name, value] of [
      ["AWS_REGION", ""],
      ["AWS_PROFILE", ""],
      ["AWS_CONFIG_FILE", config],
      ["AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials"],
    ] as const)
      vi.stubEnv(name, value);
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(await awsRegion(undefined, undefined)).toBe("eu-central-1");
    vi.stubEnv("AWS_CONFIG_FILE", "/nonexistent/config");
    expect(await awsRegion(undefined, undefined)).toBeUndefined();
  });

  it("counts as absent if it is passed to the client as an option", () => {
    const options = { url: "https://tokens.example.com", region: "", profile: "" };
    expect(parseVendorOptions(options)).toMatchObject({ region: undefined, profile: undefined });
    expect(apiUrlOf({ apiUrl: "" })).toBe(MANAGEMENT_API_URL);
  });
});

describe("a path from an environment variable", () => {
  it.each(["cache", "./cache", "../cache", "~/.cache", "", " "])(
    "is ignored unless it is absolute: %j",
    (path) => {
      expect(readPath({ XDG_CACHE_HOME: path }, "XDG_CACHE_HOME")).toBeUndefined();
      expect(cacheDirectory({ env: { XDG_CACHE_HOME: path }, ...home })).toBe("/home/me/.cache/voxtoken");
    },
  );

  it("is used when it is absolute", () => {
    expect(readPath({ XDG_CACHE_HOME: "/var/cache/me" }, "XDG_CACHE_HOME")).toBe("/var/cache/me");
  });
});

describe("the functions that read the environment", () => {
  it("return a variable unchanged, or undefined if it is empty or missing", () => {
    expect(readVariable({ A: " a " }, "A")).toBe(" a ");
    expect(readVariable({ A: "" }, "A")).toBeUndefined();
    expect(readVariable({}, "A")).toBeUndefined();
    expect(readVariable({}, "toString")).toBeUndefined();
    expect([present("a"), present(""), present(undefined)]).toEqual(["a", undefined, undefined]);
  });

  it("are the only ones for which a variable is a string", () => {
    const { env: renamed } = fakeIo({ env: { A: "" } });
    const { A = "default" } = renamed;
    // @ts-expect-error the value is unknown: the default does not replace an empty variable
    const value: string = A;
    expect(value).toBe("");
  });

  it("delete empty variables for the AWS SDK, which reads process.env itself", () => {
    const environment: Record<string, string | undefined> = { AWS_REGION: "", AWS_PROFILE: "p", HOME: "" };
    deleteEmpty(environment);
    expect(Object.keys(environment)).toEqual(["AWS_PROFILE"]);
  });
});
