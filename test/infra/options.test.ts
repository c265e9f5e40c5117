import { describe, expect, it } from "vitest";
import { parameterNames } from "../../infra/options.ts";
import { defaults, provider, stackOf } from "./describe.ts";
import { resolveIntrinsics } from "./resolve.ts";
import { permissions, property, resourcesOf } from "./promises.ts";

describe("the parameters", () => {
  it("all stand in serverless.yml with their defaults", () => {
    expect(Object.keys(defaults).sort()).toEqual([...parameterNames].sort());
  });

  it.each([
    [{ reconcileMinutes: "0" }, "--param reconcileMinutes"],
    [{ logRetentionDays: "100" }, "--param logRetentionDays: one of 1, 3, 5"],
    [{ encryptLogs: "yes" }, "--param encryptLogs: true or false"],
    [{ vpcEndpointIds: "vpc-1" }, "--param vpcEndpointIds: ids of VPC endpoints"],
    [{ auditDestinationArn: "arn:aws:s3:::bucket" }, "the ARN of a CloudWatch Logs destination"],
    [{ domainName: "tokens.example.com" }, "domainName and certificateArn: give both or neither"],
    [{ basePath: "tokens" }, "--param basePath: needs domainName as well"],
    [{ basePath: "/tokens" }, "--param basePath: a path without slashes at its ends, as tokens"],
    [{ hostedZoneId: "Z123" }, "--param hostedZoneId: needs domainName as well"],
    [{ replicaRegions: "us-east-1" }, "us-east-1 is the region that is deployed"],
    [
      { primaryRegion: "eu-west-1", rotate: "all" },
      "--param rotate: belongs to the deployment in the primary region",
    ],
    [{ alarmMail: "a@example.com" }, "No such parameter: alarmMail"],
  ])("refuse %j", (values, problem) => {
    expect(() => stackOf(values as Record<string, string>)).toThrow(problem);
  });

  it("report all their problems at once", () => {
    expect(() => stackOf({ encryptLogs: "yes", reconcileMinutes: "0" }, { stage: "Prod" })).toThrow(
      /reconcileMinutes[^]*encryptLogs[^]*--stage Prod/,
    );
  });
});

describe("a private API", () => {
  const stack = stackOf({ vpcEndpointIds: "vpce-0a1b2c3d, vpce-4e5f6a7b" });
  const endpoints = ["vpce-0a1b2c3d", "vpce-4e5f6a7b"];

  it("is reached through its VPC endpoints alone", () => {
    expect(property(stack.Resources["RestApi"], "EndpointConfiguration")).toEqual({
      Types: ["PRIVATE"],
      VpcEndpointIds: endpoints,
    });
    expect(property(stack.Resources["RestApi"], "Policy", "Statement", 2)).toMatchObject({
      Effect: "Deny",
      Condition: { StringNotEquals: { "aws:SourceVpce": endpoints } },
    });
  });
});

describe("a custom domain", () => {
  const certificateArn = "arn:aws:acm:us-east-1:999988887777:certificate/1234";
  const stack = stackOf({ domainName: "tokens.example.com", certificateArn, hostedZoneId: "Z123" });

  it("has its base path in the mapping, in the url and in the function's environment", () => {
    const shared = stackOf({ domainName: "api.example.com", certificateArn, basePath: "tokens" });
    expect(shared.Resources["ApiDomainMapping"]?.Properties).toMatchObject({ BasePath: "tokens" });
    expect(shared.Outputs["ApiUrl"]?.Value).toBe("https://api.example.com/tokens");
    expect(provider["environment"]).toMatchObject({ BASE_PATH: "${param:basePath}" });
    expect(stack.Resources["ApiDomainMapping"]?.Properties).not.toHaveProperty("BasePath");
  });

  it("is regional, speaks TLS 1.2 at least, and is the only way in", () => {
    expect(stack.Resources["ApiDomain"]?.Properties).toMatchObject({
      DomainName: "tokens.example.com",
      RegionalCertificateArn: certificateArn,
      EndpointConfiguration: { Types: ["REGIONAL"] },
      SecurityPolicy: "TLS_1_2",
    });
    expect(property(stack.Resources["RestApi"], "DisableExecuteApiEndpoint")).toBe(true);
    expect(stack.Outputs["ApiUrl"]?.Value).toBe("https://tokens.example.com");
  });

  it("gets its DNS record where a hosted zone is given", () => {
    expect(property(stack.Resources["ApiDomainRecord"], "AliasTarget", "DNSName")).toEqual({
      "Fn::GetAtt": ["ApiDomain", "RegionalDomainName"],
    });
  });

  it("is absent unless asked for", () => {
    expect(resourcesOf(stackOf(), "AWS::ApiGateway::DomainName")).toEqual([]);
    expect(property(stackOf().Resources["RestApi"], "DisableExecuteApiEndpoint")).toBe(false);
  });
});

describe("two regions", () => {
  const primary = stackOf({ replicaRegions: "eu-west-1" });
  const secondary = stackOf({ primaryRegion: "us-east-1" }, { region: "eu-west-1" });

  it("share the secrets: the primary replicates them, under the key that the other region's stack makes", () => {
    for (const [, secret] of resourcesOf(primary, "AWS::SecretsManager::Secret")) {
      expect(property(secret, "ReplicaRegions")).toEqual([
        { Region: "eu-west-1", KmsKeyId: "alias/voximplant-token-vendor-dev-signing-keys" },
      ]);
    }
    expect(property(secondary.Resources["SigningKeysKeyAlias"], "AliasName")).toBe(
      "alias/voximplant-token-vendor-dev-signing-keys",
    );
  });

  it("let the vending function of the other region read its replica, whose policy is the primary's", () => {
    const [[, policy] = []] = resourcesOf(primary, "AWS::SecretsManager::ResourcePolicy");
    const readers = property(
      policy,
      "ResourcePolicy",
      "Statement",
      0,
      "Condition",
      "ArnNotEquals",
      "aws:PrincipalArn",
    );
    const name = String(property(secondary.Resources["VendTokenRole"], "RoleName"));
    expect(readers).toContainEqual({
      "Fn::Sub": `arn:\${AWS::Partition}:iam::\${AWS::AccountId}:role/${name}`,
    });
  });

  it("let reconciliation change the vending function of both regions, and no other function", () => {
    const changed = permissions(primary, "ReconcileKeysRole").filter((one) => one.includes(" lambda:"));
    const [here, there] = ["${AWS::Region}", "eu-west-1"].map(
      (region) =>
        `{"Fn::Sub":"arn:\${AWS::Partition}:lambda:${region}:\${AWS::AccountId}:function:voximplant-token-vendor-dev-vend-token"}`,
    );
    expect(changed).toEqual([
      `Allow lambda:GetFunctionConfiguration on ${here}`,
      `Allow lambda:GetFunctionConfiguration on ${there}`,
      `Allow lambda:UpdateFunctionConfiguration on ${here}`,
      `Allow lambda:UpdateFunctionConfiguration on ${there}`,
    ]);
  });

  it("make no secret twice, and rotate and reconcile in the primary alone", () => {
    for (const type of [
      "AWS::SecretsManager::Secret",
      "AWS::SecretsManager::ResourcePolicy",
      "AWS::Events::Rule",
    ]) {
      expect(resourcesOf(secondary, type)).toEqual([]);
    }
    const roles = resourcesOf(secondary, "AWS::IAM::Role").map(([id]) => id);
    expect(roles).toEqual(["ApiGatewayLogRole", "VendTokenRole"]);
    expect(Object.keys(secondary.Resources).filter((id) => /Rotation|Reconcil|UnknownKeys/.test(id))).toEqual(
      [],
    );
  });

  it("name the same secrets", () => {
    expect(permissions(secondary, "VendTokenRole")).toContain(
      'Allow secretsmanager:GetSecretValue on {"Fn::Sub":"arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:voximplant/outbound-calls-??????"}',
    );
  });

  it("are one region where the primary is the region that is deployed", () => {
    expect(stackOf({ primaryRegion: "us-east-1" })).toEqual(stackOf());
  });
});

describe("the size of a role's policy", () => {
  const grantsFor = (count: number) => {
    const names = Array.from({ length: count }, (_, index) => `service-account-${index}`);
    const lines = names.map((name) => `  ${name}: {secret: voximplant/${name}}\n`).join("");
    const principals = "principals: [arn:aws:iam::111122223333:role/r]";
    return `serviceAccounts:\n${lines}grants:\n  - ${principals}\n    serviceAccounts: [${names.join(", ")}]\n`;
  };

  it("allows 40 service accounts, also with two replica regions", () => {
    const many = stackOf({ replicaRegions: "eu-west-1,eu-central-1" }, { grants: grantsFor(40) });
    for (const name of ["VendTokenRole", "RotateKeyRole", "ReconcileKeysRole"]) {
      const document = property(many.Resources[name], "Policies", 0, "PolicyDocument");
      const place = { accountId: "999988887777", region: "us-east-1" };
      expect(JSON.stringify(resolveIntrinsics(document, many, place)).length).toBeLessThan(10_240);
    }
  });

  it("is refused before the deployment where IAM would refuse it", () => {
    expect(() => stackOf({}, { grants: grantsFor(60) })).toThrow(
      /The IAM policy of \S+ needs \d+ characters for 60 secrets, and IAM accepts 10240/,
    );
  });
});
