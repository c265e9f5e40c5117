import { describe, expect, it } from "vitest";
import { describeWith, grantsOfTokens, sampleGrants, stackOf } from "./describe.ts";
import { difference, permissions, property } from "./promises.ts";

const before = stackOf();

/** The sample with one line more below the line that contains `mark`. */
const withLine = (mark: string, line: string) =>
  sampleGrants.replace(new RegExp(`^.*${mark}.*$`, "m"), `$&\n${line}`);

/** The sample with one service account more, and one grant of it, if one is given. */
const withSms = (grant?: string) =>
  withLine("^serviceAccounts:", "  sms:\n    secret: voximplant/sms").replace(
    /^grants:$/m,
    grant === undefined ? "$&" : `$&\n  - ${grant}`,
  );

describe("a first grant of methods", () => {
  const without = stackOf({}, { grants: grantsOfTokens });

  it("adds the function for calls, and changes only what has to know it", () => {
    expect(difference(without, before)).toEqual({
      added: [
        "ApiResourceV1ServiceAccountsServiceAccountMethods",
        "ApiResourceV1ServiceAccountsServiceAccountMethodsMethod",
        "ApiMethodV1ServiceAccountsServiceAccountMethodsMethodPost",
        expect.stringMatching(/^ApiDeployment/),
        "ApiMayInvokeCallMethod",
        "CallMethodRole",
        "CallMethodLogGroup",
        "AlarmCallErrors",
        "AlarmCallThrottles",
        "AlarmPlatformUnavailable",
        "AlarmPlatformLatency",
        "QueryCallsByPrincipal",
        "QueryErrorsOfCalls",
        "QuerySlowMethods",
      ],
      removed: [expect.stringMatching(/^ApiDeployment/)],
      changed: [
        "GatewayResponseINTEGRATIONTIMEOUT",
        "Stage",
        "SecretVoximplantOutboundCalls09ae40eaPolicy",
        "ReconcileKeysRole",
        "AlarmLatency",
        "Dashboard",
        "QueryRefusalsByReason",
      ],
    });
  });

  it("is what makes the difference: without one, nothing of a deployment names calls", () => {
    expect(JSON.stringify(without)).not.toMatch(/call-method|CallMethod|methods/);
    expect(describeWith({}, { grants: grantsOfTokens }).callFunctions).toEqual({});
    expect(describeWith().callFunctions).toHaveProperty("callMethod");
  });

  it("gives the function for calls the keys of its service accounts, and no others", () => {
    expect(permissions(before, "CallMethodRole").filter((one) => !/ (logs|xray):/.test(one))).toEqual([
      'Allow secretsmanager:GetSecretValue on {"Ref":"SecretVoximplantOutboundCalls09ae40ea"}',
      'Allow kms:Decrypt on {"Fn::GetAtt":["SigningKeysKey","Arn"]}',
    ]);
  });

  it("gives the function for calls the time for a key, a call and another key", () => {
    const { callMethod } = describeWith().callFunctions;
    const [keySeconds, callSeconds, anotherKeySeconds] = [3, 25, 3];
    expect(callMethod?.timeout).toBeGreaterThan(keySeconds + callSeconds + anotherKeySeconds);
  });
});

describe("a change of the grants", () => {
  it("admits a new account by the API's resource policy, and does nothing else but deploy it", () => {
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
    const grants = withSms("{principals: [arn:aws:iam::111122223333:role/texts], serviceAccounts: [sms]}");
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

  it.each([
    ["no grant yet", withSms(), []],
    [
      "a grant of methods alone",
      withSms(
        "{principals: [arn:aws:iam::111122223333:role/texts], serviceAccounts: [sms], methods: [SendSmsMessage]}",
      ),
      ["CallMethodRole"],
    ],
  ])("that adds a service account with %s lets vend-token not read its key", (_, grants, readers) => {
    const after = stackOf({}, { grants });
    const policy = JSON.stringify(
      Object.entries(after.Resources).find(([id]) => /^SecretVoximplantSms\w+Policy$/.test(id)),
    );
    const roles = ["VendTokenRole", "CallMethodRole"];
    const reads = (role: string) => permissions(after, role).some((one) => one.includes("VoximplantSms"));
    expect(roles.filter(reads)).toEqual(readers);
    expect(roles.filter((role) => policy.includes(role))).toEqual(readers);
  });

  it("to methods alone leaves vend-token without any key", () => {
    const grants = sampleGrants
      .replace(/^grants:[^]*?(?= {2}# Calls through the vendor)/m, "grants:\n")
      .replace(/^tests:[^]*/m, "");
    const after = stackOf({}, { grants });
    expect(permissions(after, "VendTokenRole").filter((one) => !/ (logs|xray):/.test(one))).toEqual([]);
    expect(permissions(after, "CallMethodRole").some((one) => one.includes("GetSecretValue"))).toBe(true);
  });
});
