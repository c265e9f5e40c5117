import { describe, expect, it } from "vitest";
import { sampleGrants, stackOf } from "./describe.ts";
import { difference, permissions, property } from "./promises.ts";

const before = stackOf();

/** The sample with one line more below the line that contains `mark`. */
const withLine = (mark: string, line: string) =>
  sampleGrants.replace(new RegExp(`^.*${mark}.*$`, "m"), `$&\n${line}`);

describe("a change of grants.yml", () => {
  it("that adds an account changes the API's resource policy and its deployment, and nothing else", () => {
    const grants = withLine("role/billing-worker", "      - arn:aws:iam::444455556666:role/dialler");
    const after = stackOf({}, { grants });
    expect(difference(before, after)).toEqual({
      added: [expect.stringMatching(/^ApiDeployment/)],
      removed: [expect.stringMatching(/^ApiDeployment/)],
      changed: ["RestApi", "Stage"],
    });
    expect(property(after.Resources["RestApi"], "Policy")).toMatchObject({
      Statement: [
        { Condition: { StringNotEquals: { "aws:PrincipalAccount": ["111122223333", "444455556666"] } } },
        { Effect: "Allow", Principal: "*" },
      ],
    });
  });

  it("that adds a role of a known account changes nothing in AWS but the function", () => {
    const grants = withLine("role/billing-worker", "      - arn:aws:iam::111122223333:role/dialler");
    expect(difference(before, stackOf({}, { grants }))).toEqual({ added: [], removed: [], changed: [] });
  });

  it("that adds a service account adds its secret, policies, permissions and dashboard lines, and nothing else", () => {
    const grants = withLine("^serviceAccounts:", "  sms:\n    secret: voximplant/sms");
    const after = stackOf({}, { grants });
    const [secret = ""] = difference(before, after).added;
    expect(difference(before, after)).toEqual({
      added: [expect.stringMatching(/^SecretVoximplantSms/), `${secret}Policy`],
      removed: [],
      changed: ["SigningKeysKey", "VendTokenRole", "RotateKeyRole", "ReconcileKeysRole", "Dashboard"],
    });

    const gained = (role: string) =>
      permissions(after, role).filter((permission) => !permissions(before, role).includes(permission));
    expect(gained("VendTokenRole")).toEqual([`Allow secretsmanager:GetSecretValue on {"Ref":"${secret}"}`]);
    expect(JSON.stringify(after.Resources["SigningKeysKey"])).toContain("secret:voximplant/sms-??????");
  });
});
