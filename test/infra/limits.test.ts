import { describe, expect, it } from "vitest";
import { sampleGrants, stackOf } from "./describe.ts";
import { property, resourcesOf } from "./promises.ts";
import { resolveIntrinsics } from "./resolve.ts";

const REPLICAS = { replicaRegions: "eu-west-1,eu-central-1", rotate: "all", replicate: "all" };

function serviceAccounts(count: number, withMethods = false): string {
  const names = Array.from({ length: count }, (_, index) => `service-account-${index}`);
  const lines = names.map((name) => `  ${name}: {secret: voximplant/${name}}\n`).join("");
  const grant = `  - principals: [arn:aws:iam::111122223333:role/r]\n    serviceAccounts: [${names.join(", ")}]\n`;
  const ofMethods = withMethods ? `${grant}    methods: ["GetCall*"]\n` : "";
  return `serviceAccounts:\n${lines}grants:\n${grant}${ofMethods}`;
}

function callerAccounts(count: number): string {
  const arns = Array.from({ length: count }, (_, index) => `arn:aws:iam::${100_000_000_000 + index}:role/r`);
  return sampleGrants.replace(
    /grants:[^]*/,
    `grants:\n  - principals: [${arns.join(", ")}]\n    serviceAccounts: [outbound-calls]\n`,
  );
}

/** The length of the longest policy of each kind, as AWS stores it. */
function longest(stack: ReturnType<typeof stackOf>) {
  const place = { accountId: "999988887777", region: "us-east-1" };
  const length = (value: unknown) =>
    JSON.stringify(resolveIntrinsics(value, stack, place)).replaceAll(
      "execute-api:/*",
      "arn:aws:execute-api:us-east-1:999988887777:a1b2c3d4e5/*",
    ).length;
  const lengths = (type: string, ...path: (string | number)[]) =>
    Math.max(0, ...resourcesOf(stack, type).map(([, one]) => length(property(one, ...path))));
  const roles = resourcesOf(stack, "AWS::IAM::Role").filter(
    ([, one]) => one.Properties?.["Policies"] !== undefined,
  );
  return {
    role: Math.max(...roles.map(([, one]) => length(property(one, "Policies", 0, "PolicyDocument")))),
    api: lengths("AWS::ApiGateway::RestApi", "Policy"),
    secret: lengths("AWS::SecretsManager::ResourcePolicy", "ResourcePolicy"),
    key: lengths("AWS::KMS::Key", "KeyPolicy"),
    // Four functions, and osls's bucket with its policy.
    resources: Object.keys(stack.Resources).length + 6,
  };
}

describe("what fits into one deployment", () => {
  it.each([
    [33, "tokens", false],
    [48, "tokens", false],
    [80, "tokens", false],
    [80, "tokens and methods", true],
  ])("%i service accounts with grants of %s, in three regions", (count, _, withMethods) => {
    const sizes = longest(stackOf(REPLICAS, { grants: serviceAccounts(count, withMethods) }));
    expect(sizes.role).toBeLessThanOrEqual(10_240);
    expect(sizes.secret).toBeLessThanOrEqual(20_480);
    expect(sizes.key).toBeLessThanOrEqual(32_768);
    expect(sizes.resources).toBeLessThanOrEqual(500);
  });

  it("with callers from 300 accounts", () => {
    expect(longest(stackOf({}, { grants: callerAccounts(300) })).api).toBeLessThanOrEqual(8_192);
  });
});

describe("a stack above a limit of AWS is refused before the deployment, with its length", () => {
  it("if 100 service accounts exceed the limit of a role's policy", () => {
    expect(() => stackOf(REPLICAS, { grants: serviceAccounts(100) })).toThrow(
      /The IAM policy of RotateKeyRole needs \d{5} characters, and AWS accepts 10240\. Divide the service accounts/,
    );
  });

  it("if 1,000 accounts of callers exceed the limit of the API's resource policy", () => {
    expect(() => stackOf({}, { grants: callerAccounts(1000) })).toThrow(
      /The resource policy of RestApi needs \d{5} characters, and AWS accepts 8192\. .*principalOrgId/,
    );
  });

  it("if 150 service accounts exceed the limit of resources in a stack", () => {
    expect(() => stackOf({ rotate: "all" }, { grants: serviceAccounts(150) })).toThrow(
      /The stack has \d{3} resources, and CloudFormation accepts 500/,
    );
  });
});
