import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { IdentitiesError, parseIdentities } from "../../../local/gateway/identity.ts";
import identities from "../../../local/identities.json" with { type: "json" };

describe("a file of identities", () => {
  const good = identities[0];

  it.each([
    ["not JSON", '[{"secretAccessKey": "s3cret",', "mine.json: is not JSON."],
    ["not a list", "{}", /^mine\.json: .*array/],
    ["empty", "[]", /must name one identity at least/],
    [
      "a short account id",
      JSON.stringify([{ ...good, accountId: "1" }]),
      /\[0\]\.accountId must be a string of 12 digits/,
    ],
    ["a field that is missing", JSON.stringify([good, { ...good, userArn: undefined }]), /\[1\]\.userArn/],
    ["an unknown field", JSON.stringify([{ ...good, secret: "s3cret" }]), /"secret"/],
    ["the same key twice", JSON.stringify([good, good]), /must not name an accessKeyId twice/],
  ])("is refused without quoting a secret: %s", (_, text, message) => {
    const parse = () => parseIdentities(text, "mine.json");
    expect(parse).toThrow(IdentitiesError);
    expect(parse).toThrow(message);
    expect(parse).not.toThrow(/s3cret|local-only/);
  });
});

describe("the identities in local/identities.json", () => {
  it("are also profiles in local/aws-credentials", () => {
    const text = readFileSync(new URL("../../../local/aws-credentials", import.meta.url), "utf8");
    for (const { accessKeyId, secretAccessKey, sessionToken } of parseIdentities(
      JSON.stringify(identities),
      "",
    )) {
      const lines = [
        `aws_access_key_id = ${accessKeyId}`,
        `aws_secret_access_key = ${secretAccessKey}`,
        ...(sessionToken === undefined ? [] : [`aws_session_token = ${sessionToken}`]),
        "region = us-east-1",
      ];
      expect(text).toContain(lines.join("\n"));
    }
  });
});
