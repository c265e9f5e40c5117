import { describe, expect, it } from "vitest";
import { readConfiguration } from "../../lib/configuration.ts";
import { callApi, createVoximplantFetch } from "../../lib/client/index.ts";
import { ApiUrlError, MANAGEMENT_API_URL, parseApiUrl } from "../../lib/voximplant/api-url.ts";
import { callMethod } from "../../lib/voximplant/call.ts";
import { fakeIo } from "../fakes/io.ts";
import { runVoxtoken } from "../fakes/voxtoken.ts";

/**
 * Each of them would carry a token or a key in clear, or to another host than the one it seems to
 * name.
 */
const refused: [url: string, why: string][] = [
  ["http://api.voximplant.com/platform_api", "must be https"],
  ["http://127.0.0.1.example.com/", "must be https"],
  ["http://localhost.example.com/", "must be https"],
  ["http://api.localhost/", "must be https"],
  ["http://0.0.0.0:8789/platform_api", "must be https"],
  ["http://localhost:x@example.com/", "must hold no user name or password"],
  ["http://localhost:80@example.com/", "must hold no user name or password"],
  ["https://user:secret@api.voximplant.com/", "must hold no user name or password"],
  ["https://api.voximplant.com/platform_api?a=1", "must have no query and no fragment"],
  ["https://api.voximplant.com/platform_api#a", "must have no query and no fragment"],
  ["https://api.voximplant.com/platform_api?", "must have no query and no fragment"],
  ["https://api.voximplant.com/platform_api#", "must have no query and no fragment"],
  ["ftp://localhost/", "must be https"],
  ["api.voximplant.com", "must be a URL"],
  ["https://", "must be a URL"],
];

const noNetwork = () => Promise.reject(new Error("The request was sent."));

describe("a Management API URL", () => {
  it.each([
    ["https://api-eu.voximplant.com/platform_api/", "https://api-eu.voximplant.com/platform_api"],
    ["https://platform.example:8443", "https://platform.example:8443"],
    ["http://127.0.0.1:8789/platform_api", "http://127.0.0.1:8789/platform_api"],
    ["http://127.9.9.9:1/a//", "http://127.9.9.9:1/a"],
    ["http://[::1]:8789/platform_api", "http://[::1]:8789/platform_api"],
    ["http://localhost:8789", "http://localhost:8789"],
    [" HTTPS://API.voximplant.com/platform_api ", MANAGEMENT_API_URL],
  ])("is accepted if it is https or loopback: %s", (given, url) => {
    expect(parseApiUrl(given, "--api-url")).toBe(url);
  });

  it.each(refused)("is refused by every reader of the setting: %s", async (url, why) => {
    expect(() => parseApiUrl(url, "--api-url")).toThrow(ApiUrlError);
    expect(() => parseApiUrl(url, "--api-url")).toThrow(`--api-url ${why}`);

    expect(() => readConfiguration({ VOXIMPLANT_API_URL: url })).toThrow(`VOXIMPLANT_API_URL: ${why}`);

    const connection = {
      url,
      fetch: noNetwork,
      now: () => 0,
      sleep: () => Promise.resolve(),
      random: () => 0,
    };
    const authorization = { accountId: 1, apiKey: "k" };
    await expect(
      callMethod(connection, authorization, "GetRoles", {}, { repeatable: false }),
    ).rejects.toThrow(why);

    const getToken = () => Promise.reject(new Error("A token was asked for."));
    await expect(callApi(getToken, "GetUsers", {}, { apiUrl: url })).rejects.toMatchObject({
      code: "invalid_options",
      message: expect.stringContaining(`apiUrl ${why}`) as string,
    });
    expect(() => createVoximplantFetch(getToken, { apiUrl: url })).toThrow(`apiUrl ${why}`);
  });

  it.each(refused)("is refused by the command line before any request: %s", async (url, why) => {
    const bootstrap = [
      ...["admin", "bootstrap", "--service-account", "outbound-calls", "--account-id", "1234567"],
      ...["--roles", "Scenarios"],
    ];
    const importKey = ["admin", "import", "-", "--service-account", "outbound-calls"];
    const api = ["api", "call-history", "GetUsers", "--url", "http://127.0.0.1:1"];
    for (const [args, setting, env] of [
      [bootstrap, "VOXIMPLANT_API_URL", { VOXIMPLANT_API_URL: url }],
      [importKey, "VOXIMPLANT_API_URL", { VOXIMPLANT_API_URL: url }],
      [api, "VOXIMPLANT_API_URL", { VOXIMPLANT_API_URL: url }],
      [[...api, "--api-url", url], "--api-url", {}],
    ] as const) {
      const io = fakeIo({
        env: { ...env, AWS_REGION: "eu-west-1" },
        input: "deprecated-api-key",
        fetch: noNetwork,
      });
      expect(await runVoxtoken(args, io)).toBe(2);
      const [error, hint, rest] = io.err().split("\n");
      expect(error).toContain(`${setting} ${why}`);
      expect(hint).toBe(
        setting === "--api-url"
          ? `hint: leave --api-url out to use ${MANAGEMENT_API_URL}`
          : `hint: unset VOXIMPLANT_API_URL to use ${MANAGEMENT_API_URL}`,
      );
      expect(rest).toBe("");
      expect(io.err()).not.toContain("secret");
    }
  });
});
