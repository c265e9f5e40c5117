import { describe, expect, it } from "vitest";
import { stackOf } from "./describe.ts";
import { property } from "./promises.ts";
import { resolveIntrinsics } from "./resolve.ts";
import { isAllowed } from "./simulate.ts";

const apiAccount = "999988887777";
const organization = "o-a1b2c3d4e5";
const path = "dev/POST/v1/service-accounts/outbound-calls/token";

const grants = `
serviceAccounts:
  outbound-calls: {secret: voximplant/outbound-calls}
grants:
  - principals: ["arn:aws:iam::111122223333:role/billing-worker", "arn:aws:iam::${apiAccount}:role/local-worker"]
    serviceAccounts: [outbound-calls]
  - principals: ["arn:aws:iam::*:role/fleet-*"]
    principalOrgId: ${organization}
    serviceAccounts: [outbound-calls]
`;

/** Calls the token route of an API in 999988887777 whose grants are the ones above. */
async function call(caller: {
  readonly account: string;
  readonly iamAllows: string | false;
  readonly organization?: string;
  readonly vpcEndpoint?: string;
  readonly params?: Readonly<Record<string, string>>;
  /** What a careless hand makes of the policy. */
  readonly edit?: (policy: string) => string;
}): Promise<boolean> {
  const arn = `arn:aws:execute-api:us-east-1:${apiAccount}:a1b2c3d4e5/`;
  const stack = stackOf(caller.params ?? {}, { grants });
  const place = { accountId: apiAccount, region: "us-east-1" };
  const policy = resolveIntrinsics(property(stack.Resources["RestApi"], "Policy"), stack, place);
  const resourcePolicy: unknown = JSON.parse(
    (caller.edit ?? String)(JSON.stringify(policy)).replaceAll("execute-api:/", arn),
  );
  const statement = {
    Effect: "Allow",
    Action: "execute-api:Invoke",
    Resource: `${arn}${String(caller.iamAllows)}`,
  };
  return isAllowed({
    principal: `arn:aws:sts::${caller.account}:assumed-role/worker/session`,
    action: "execute-api:Invoke",
    resource: `${arn}${path}`,
    identityPolicies: caller.iamAllows === false ? [] : [{ Version: "2012-10-17", Statement: [statement] }],
    resourcePolicy,
    context: {
      "aws:SecureTransport": "true",
      ...(caller.organization !== undefined && { "aws:PrincipalOrgID": caller.organization }),
      ...(caller.vpcEndpoint !== undefined && { "aws:SourceVpce": caller.vpcEndpoint }),
    },
  });
}

describe("the API's resource policy together with the caller's IAM policy", () => {
  it.each([
    [
      "lets in an account of the grants whose IAM policy allows the route",
      { account: "111122223333", iamAllows: path },
      true,
    ],
    [
      "keeps out an account of the grants whose IAM policy is silent",
      { account: "111122223333", iamAllows: false },
      false,
    ],
    [
      "keeps out an account of the grants whose IAM policy allows another route",
      { account: "111122223333", iamAllows: path.replace("outbound-calls", "sms") },
      false,
    ],
    [
      "keeps out any other account, whatever its IAM policy says",
      { account: "444455556666", iamAllows: "*" },
      false,
    ],
    [
      "lets in the API's own account where the grants name it and IAM allows",
      { account: apiAccount, iamAllows: path },
      true,
    ],
    ["keeps out the API's own account if IAM is silent", { account: apiAccount, iamAllows: false }, false],
    [
      "keeps out a member of the organisation in the API's own account if IAM is silent",
      { account: apiAccount, iamAllows: false, organization },
      false,
    ],
    [
      "lets in a member of the organisation whose IAM policy allows",
      { account: "444455556666", iamAllows: path, organization },
      true,
    ],
    [
      "keeps out a member of the organisation whose IAM policy is silent",
      { account: "444455556666", iamAllows: false, organization },
      false,
    ],
    [
      "keeps out a member of another organisation",
      { account: "444455556666", iamAllows: "*", organization: "o-other00000" },
      false,
    ],
  ] as const)("%s", async (_, caller, allowed) => {
    expect(await call(caller)).toBe(allowed);
  });

  const params = { vpcEndpointIds: "vpce-0a1b2c3d" };
  it.each([
    ["lets a caller in through the VPC endpoint", "vpce-0a1b2c3d", true],
    ["keeps the same caller out through another one", "vpce-4e5f6a7b", false],
    ["keeps the same caller out from the internet", undefined, false],
  ])("if the API is private, %s", async (_, vpcEndpoint, allowed) => {
    const caller = { account: "111122223333", iamAllows: path, params };
    expect(await call({ ...caller, ...(vpcEndpoint !== undefined && { vpcEndpoint }) })).toBe(allowed);
  });

  it("would fail if an Allow no longer excluded the API's own account", async () => {
    const edit = (policy: string) =>
      policy.replaceAll(
        `"StringNotEquals":{"aws:PrincipalAccount":"${apiAccount}"}`,
        '"Bool":{"aws:SecureTransport":"true"}',
      );
    const caller = { account: apiAccount, iamAllows: false, organization } as const;
    expect(await call(caller)).toBe(false);
    expect(await call({ ...caller, edit })).toBe(true);
  });

  it("refuses everyone of the API's own account if the grants do not name it", async () => {
    const stack = stackOf();
    const policy = resolveIntrinsics(property(stack.Resources["RestApi"], "Policy"), stack, {
      accountId: apiAccount,
      region: "us-east-1",
    });
    const arn = `arn:aws:execute-api:us-east-1:${apiAccount}:a1b2c3d4e5/`;
    const everything = {
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }],
    };
    expect(
      await isAllowed({
        principal: `arn:aws:iam::${apiAccount}:user/admin`,
        action: "execute-api:Invoke",
        resource: `${arn}${path}`,
        identityPolicies: [everything],
        resourcePolicy: JSON.parse(JSON.stringify(policy).replaceAll("execute-api:/", arn)),
      }),
    ).toBe(false);
  });
});
