import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

import { ConfigurationError, readConfiguration } from "../lib/configuration.ts";
import { describeWith, provider } from "./infra/describe.ts";

describe("the functions' configuration", () => {
  it.each([
    ["voximplant-token-vendor-prod-vend-token", "voximplant-token-vendor-prod"],
    ["vendor-eu-west-reconcile-keys", "vendor-eu-west"],
    ["a-function-of-someone-else", "local"],
    ["", "local"],
  ])("takes the deployment from the function's name, %j", (name, deployment) => {
    expect(readConfiguration({ AWS_LAMBDA_FUNCTION_NAME: name }).deployment).toBe(deployment);
  });

  it("has defaults for everything", () => {
    expect(readConfiguration({})).toEqual({
      basePath: undefined,
      replicaRegions: [],
      deployment: "local",
      signingKeyTtlSeconds: 300,
      signingKeyMaxStaleSeconds: 3600,
      voximplantApiUrl: "https://api.voximplant.com/platform_api",
    });
  });

  it("reads the environment and treats an empty variable as absent", () => {
    expect(
      readConfiguration({
        SIGNING_KEY_TTL_SECONDS: "60",
        SIGNING_KEY_MAX_STALE_SECONDS: "0",
        VOXIMPLANT_API_URL: "",
        PATH: "/usr/bin",
      }),
    ).toMatchObject({
      signingKeyTtlSeconds: 60,
      signingKeyMaxStaleSeconds: 0,
      voximplantApiUrl: "https://api.voximplant.com/platform_api",
    });
  });

  it.each([
    ["https://api-eu.voximplant.com/platform_api/", "https://api-eu.voximplant.com/platform_api"],
    ["http://127.0.0.1:8788/platform_api", "http://127.0.0.1:8788/platform_api"],
    ["http://localhost:8788", "http://localhost:8788"],
  ])("accepts the Management API's URL %s", (given, url) => {
    expect(readConfiguration({ VOXIMPLANT_API_URL: given }).voximplantApiUrl).toBe(url);
  });

  it.each([
    "http://api.voximplant.com",
    "http://127.0.0.1.example.com",
    "ftp://x",
    "api.voximplant.com",
    "https://",
  ])("refuses the Management API's URL %s, which would expose tokens", (url) => {
    expect(() => readConfiguration({ VOXIMPLANT_API_URL: url })).toThrow(/^VOXIMPLANT_API_URL: must be/);
  });

  it.each(["/tokens", "tokens/", "a//b", "a b", "%74okens"])("refuses the base path %j", (path) => {
    expect(() => readConfiguration({ BASE_PATH: path })).toThrow(
      "BASE_PATH: must be a path without outer slashes",
    );
  });

  it("accepts the base path of a custom domain", () => {
    expect(readConfiguration({ BASE_PATH: "voice/tokens" }).basePath).toBe("voice/tokens");
  });

  it.each(["-1", "1.5", "5m", "86401", "1e3", " 60"])("refuses the number of seconds %j", (value) => {
    expect(() => readConfiguration({ SIGNING_KEY_TTL_SECONDS: value })).toThrow(
      "SIGNING_KEY_TTL_SECONDS: must be a whole number of seconds from 0 to 86400",
    );
  });

  it("reports all problems at once", () => {
    const environment = {
      SIGNING_KEY_TTL_SECONDS: "soon",
      SIGNING_KEY_MAX_STALE_SECONDS: "never",
      VOXIMPLANT_API_URL: "http://example.com",
    };
    expect(() => readConfiguration(environment)).toThrow(ConfigurationError);
    expect(() => readConfiguration(environment)).toThrow(
      /^SIGNING_KEY_TTL_SECONDS: .*\nSIGNING_KEY_MAX_STALE_SECONDS: .*\nVOXIMPLANT_API_URL: /,
    );
  });
});

describe("the deployment", () => {
  it("sets every variable that is read, and no other", () => {
    const source = readFileSync(new URL("../lib/configuration.ts", import.meta.url), "utf8");
    const read = [...source.matchAll(/^ {2}([A-Z_]+): /gm)].map(([, name]) => name);
    const ofLambda = ["AWS_LAMBDA_FUNCTION_NAME"];
    const { reconcileKeys } = describeWith({ replicaRegions: "eu-west-1" }).keyFunctions;
    const set = Object.keys({ ...(provider["environment"] as object), ...reconcileKeys?.environment });
    expect(new Set([...set, ...ofLambda])).toEqual(new Set(read));
  });
});
