import aws4 from "aws4";
import { describe, expect, it } from "vitest";
import { signRequest } from "../../lib/client/sign.ts";

const credentials = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
};
const date = new Date("2026-11-24T12:00:00Z");

/** A second opinion, of a signer with other authors. */
function signature(headers: Record<string, string>): string | undefined {
  return /Signature=([0-9a-f]{64})/.exec(headers["authorization"] ?? headers["Authorization"] ?? "")?.[1];
}

describe("the signature", () => {
  it.each([
    [
      "a plain request",
      "https://abc.execute-api.eu-west-1.amazonaws.com/prod/v1/service-accounts",
      "GET",
      "",
    ],
    ["a body", "https://abc.execute-api.eu-west-1.amazonaws.com/prod/v1/x", "POST", '{"ttl_seconds":60}'],
    ["a host with a port", "http://127.0.0.1:8787/v1/service-accounts", "GET", ""],
    ["repeated query parameters", "https://example.com/v1?b=2&a=2&a=1&c=%20x", "GET", ""],
  ] as const)("of %s equals aws4's", async (_what, href, method, body) => {
    const url = new URL(href);
    const headers = await signRequest(
      {
        method,
        url,
        body,
        headers:
          body === "" ? {} : { "content-type": "application/json", "content-length": String(body.length) },
      },
      { credentials, region: "eu-west-1", signingName: "execute-api", date },
    );
    const signed = Object.fromEntries(Object.entries(headers).filter(([name]) => name !== "authorization"));
    const second = aws4.sign(
      {
        service: "execute-api",
        region: "eu-west-1",
        method,
        host: url.host,
        path: url.pathname + url.search,
        headers: signed,
        body,
      },
      credentials,
    );
    expect(signature(headers)).toBe(signature(second.headers as Record<string, string>));
  });

  it("covers the session token", async () => {
    const headers = await signRequest(
      { method: "GET", url: new URL("https://example.com/"), body: "", headers: {} },
      {
        credentials: { ...credentials, sessionToken: "session" },
        region: "eu-west-1",
        signingName: "lambda",
        date,
      },
    );
    expect(headers["x-amz-security-token"]).toBe("session");
    expect(headers["authorization"]).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/20261124\/eu-west-1\/lambda\//,
    );
    expect(headers["authorization"]).toContain("host;x-amz-content-sha256;x-amz-date;x-amz-security-token");
  });
});
