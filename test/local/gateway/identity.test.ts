import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { IdentitiesError, parseIdentities } from "../../../local/gateway/identity.ts";
import identities from "../../../local/identities.json" with { type: "json" };
import { identifyCaller } from "../../../lib/caller/caller.ts";
import { indexGrants, listEntitlements } from "../../../lib/grants/authorize.ts";
import { parseGrants } from "../../../lib/grants/parse.ts";
import { callerPolicy } from "../../../lib/operator/iam-policy.ts";
import { isFailure } from "../../../lib/outcome.ts";

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
    [
      "a resource with its whole ARN",
      JSON.stringify([{ ...good, invoke: ["arn:aws:execute-api:*:*:*/*/GET/v1/service-accounts"] }]),
      /\[0\]\.invoke\[0\] must be a method and a path/,
    ],
    ["the same key twice", JSON.stringify([good, good]), /must not name an accessKeyId twice/],
  ])("is refused without quoting a secret: %s", (_, text, message) => {
    const parse = () => parseIdentities(text, "mine.json");
    expect(parse).toThrow(IdentitiesError);
    expect(parse).toThrow(message);
    expect(parse).not.toThrow(/s3cret|local-only/);
  });
});

describe("the identities in local/identities.json", () => {
  const shipped = parseIdentities(JSON.stringify(identities), "");

  it("may call what admin iam-policy derives from local/grants.yml, where they have a list", () => {
    const text = readFileSync(new URL("../../../local/grants.yml", import.meta.url), "utf8");
    const result = parseGrants(text, "grants.yml", "local");
    if ("problems" in result) throw new Error(JSON.stringify(result.problems));
    const index = indexGrants(result.policy);
    const limited = shipped.filter(({ invoke }) => invoke !== undefined);
    expect(limited.map(({ userArn }) => userArn)).toContainEqual(
      "arn:aws:sts::111122223333:assumed-role/dialer/evening-calls",
    );
    for (const identity of limited) {
      const caller = identifyCaller(identity);
      if (isFailure(caller)) throw new Error(`${identity.userArn} is not a caller`);
      const { Statement } = callerPolicy("api/stage", listEntitlements(index, caller, Date.now()));
      const resources = Statement.flatMap(({ Resource }) => Resource);
      expect(identity.invoke).toEqual(resources.map((resource) => resource.replace("api/stage/", "")));
    }
  });

  it("are also profiles in local/aws-credentials", () => {
    const text = readFileSync(new URL("../../../local/aws-credentials", import.meta.url), "utf8");
    for (const { accessKeyId, secretAccessKey, sessionToken } of shipped) {
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
