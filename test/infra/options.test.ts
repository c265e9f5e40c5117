import { describe, expect, it } from "vitest";
import { checkParameters } from "../../infra/deployment.ts";
import { parameterNames } from "../../infra/options.ts";
import { defaults, describeWith, grantsOfTokens, provider, stackOf, WITH_EVERYTHING } from "./describe.ts";
import { permissions, property, resourcesOf } from "./promises.ts";

/** The types of the stack that take no tags. */
const WITHOUT_TAGS = [
  "AWS::ApiGateway::Account",
  "AWS::ApiGateway::BasePathMapping",
  "AWS::ApiGateway::Deployment",
  "AWS::ApiGateway::GatewayResponse",
  "AWS::ApiGateway::Method",
  "AWS::ApiGateway::Model",
  "AWS::ApiGateway::RequestValidator",
  "AWS::ApiGateway::Resource",
  "AWS::CloudWatch::Dashboard",
  "AWS::Lambda::EventInvokeConfig",
  "AWS::Lambda::Permission",
  "AWS::Logs::MetricFilter",
  "AWS::Logs::QueryDefinition",
  "AWS::Logs::SubscriptionFilter",
  "AWS::Route53::RecordSet",
  "AWS::SecretsManager::ResourcePolicy",
  "AWS::SecretsManager::RotationSchedule",
];

describe("the parameters of a deployment", () => {
  it("are all listed in serverless.yml with their defaults", () => {
    expect(Object.keys(defaults).sort()).toEqual([...parameterNames].sort());
  });

  it.each([
    [{ reconcileMinutes: "0" }, "reconcileMinutes"],
    // The functions would take an empty one for absent, and stop at the others.
    [{ signingKeyMaxStaleSeconds: "" }, "signingKeyMaxStaleSeconds: a whole number"],
    [{ signingKeyTtlSeconds: "3e2" }, "signingKeyTtlSeconds: a whole number"],
    [{ signingKeyTtlSeconds: "0x12c" }, "signingKeyTtlSeconds: a whole number"],
    [{ logRetentionDays: "100" }, "logRetentionDays: one of 1, 3, 5"],
    [{ encryptLogs: "yes" }, "encryptLogs: true or false"],
    [{ vpcEndpointIds: "vpc-1" }, "vpcEndpointIds: ids of VPC endpoints"],
    [{ auditDestinationArn: "arn:aws:s3:::bucket" }, "the ARN of a CloudWatch Logs destination"],
    [{ domainName: "tokens.example.com" }, "domainName and certificateArn: give both or neither"],
    [{ basePath: "tokens" }, "basePath: needs domainName as well"],
    [{ basePath: "/tokens" }, "basePath: one segment of a path, without slashes, as tokens"],
    [{ basePath: "voice/tokens" }, "basePath: one segment of a path, without slashes, as tokens"],
    [{ hostedZoneId: "Z123" }, "hostedZoneId: needs domainName as well"],
    [{ replicaRegions: "us-east-1" }, "us-east-1 is the region that is deployed"],
    [{ kmsKeyArn: "alias/key" }, "kmsKeyArn: the ARN of a KMS key"],
    [
      { kmsKeyArn: "arn:aws:kms:us-east-1:999988887777:key/0a1b", replicaRegions: "eu-west-1" },
      "kmsKeyArn: for more than its own region it must be a multi-Region key",
    ],
    [
      { kmsKeyArn: "arn:aws:kms:eu-west-1:999988887777:key/0a1b" },
      "kmsKeyArn: for more than its own region it must be a multi-Region key",
    ],
    [
      { alarmTopicArn: "arn:aws:sns:eu-west-1:999988887777:oncall" },
      "alarmTopicArn: is in eu-west-1, not in us-east-1",
    ],
    [
      { tripwires: "true", deployerArn: "arn:aws:iam::999988887777:role/d", secrets: "existing" },
      "tripwires: with secrets: existing, kmsKeyArn must name the KMS key to watch",
    ],
    [{ cloudFormationReadsSecrets: "true" }, "cloudFormationReadsSecrets: needs deployerArn"],
    [
      { rotate: "outbound-calls", rotationDays: "1", signingKeyMaxStaleSeconds: "86400" },
      "rotationDays: 1 is not longer than the grace (1.0 days), so no superseded key would ever be deleted",
    ],
    [{ tags: "team=a,team=b" }, "tags: each name once"],
    [{ tags: "team" }, "tags: name=value, separated by commas"],
    [{ tags: "aws:team=voice" }, "tags: name=value, separated by commas"],
    [{ rolePath: "teams" }, "rolePath: / or a path between slashes"],
    [{ runbookUrl: "http://wiki" }, "runbookUrl: an https:// URL"],
    [
      { alarmTopicArn: "arn:aws:sns:us-east-1:999988887777:oncall", alarmEmail: "a@example.com" },
      "alarmEmail: subscribe it to the topic of alarmTopicArn instead",
    ],
  ])("are refused with the reason: %j", (values, problem) => {
    expect(() => stackOf(values as Record<string, string>)).toThrow(problem);
  });

  it("are refused with all problems at once", () => {
    expect(() => stackOf({ encryptLogs: "yes", reconcileMinutes: "0" }, { stage: "Prod" })).toThrow(
      /reconcileMinutes[^]*encryptLogs[^]*--stage Prod/,
    );
  });
});

describe("parameters outside serverless.yml's params", () => {
  it("are refused on the command line, because the next deployment would forget them", () => {
    expect(() => {
      checkParameters("prod", ["alarmEmail=a@example.com", "rotate=all"], []);
    }).toThrow(/^--param alarmEmail, rotate: parameters belong in serverless.yml, below params.prod\./);
  });

  it("are refused if they are misspelt in serverless.yml", () => {
    expect(() => {
      checkParameters("prod", [], [...parameterNames, "alarmMail"]);
    }).toThrow("serverless.yml, params: no such parameter: alarmMail.");
    expect(() => {
      checkParameters("prod", [], parameterNames);
    }).not.toThrow();
  });
});

describe("the stack's company-wide options", () => {
  const everything = { ...WITH_EVERYTHING, rotate: "all", replicate: "all" };
  const stack = stackOf(everything);

  it("tag every resource that supports tags", () => {
    const tags = [
      { Key: "team", Value: "voice" },
      { Key: "cost", Value: "42" },
    ];
    const untagged = Object.entries(stack.Resources).filter(
      ([, one]) => one.Properties?.["Tags"] === undefined,
    );
    expect(new Set(untagged.map(([, { Type }]) => Type))).toEqual(new Set(WITHOUT_TAGS));
    for (const [, { Properties }] of Object.entries(stack.Resources)) {
      if (Properties?.["Tags"] !== undefined) expect(Properties["Tags"]).toEqual(tags);
    }
    const { extensions } = describeWith(everything).resources;
    expect(Object.keys(extensions).sort()).toEqual([
      "CallMethodLambdaFunction",
      "ReconcileKeysLambdaFunction",
      "RotateKeyLambdaFunction",
      "ServerlessDeploymentBucket",
      "VendTokenLambdaFunction",
    ]);
    for (const extension of Object.values(extensions))
      expect(extension.Properties).toMatchObject({ Tags: tags });
  });

  it("set the path and the permissions boundary of every role, and name the replicas' readers with the path", () => {
    const roles = resourcesOf(stack, "AWS::IAM::Role");
    expect(roles).toHaveLength(5);
    for (const [, { Properties }] of roles) {
      expect(Properties).toMatchObject({
        Path: "/teams/voice/",
        PermissionsBoundary: "arn:aws:iam::999988887777:policy/boundary",
      });
    }
    const [, [, policy] = []] = resourcesOf(stack, "AWS::SecretsManager::ResourcePolicy");
    for (const name of ["vend-token", "call"]) {
      expect(JSON.stringify(policy)).toContain(
        `:role/teams/voice/voximplant-token-vendor-dev-eu-west-1-${name}"`,
      );
    }
  });

  it("keep the logs if configured", () => {
    const kept = (one: typeof stack) =>
      resourcesOf(one, "AWS::Logs::LogGroup").map(([, { DeletionPolicy }]) => DeletionPolicy);
    expect(new Set(kept(stack))).toEqual(new Set(["RetainExceptOnCreate"]));
    expect(new Set(kept(stackOf()))).toEqual(new Set([undefined]));
  });

  it("use an existing topic and an existing KMS key instead of new ones", () => {
    for (const type of ["AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "AWS::KMS::Alias"])
      expect(resourcesOf(stack, type)).toEqual([]);
    expect(resourcesOf(stack, "AWS::KMS::Key").map(([id]) => id)).toEqual(["OperationsKey"]); // of the logs
    for (const [, alarm] of resourcesOf(stack, "AWS::CloudWatch::Alarm"))
      expect(property(alarm, "AlarmActions")).toEqual([WITH_EVERYTHING.alarmTopicArn]);
    for (const [, secret] of resourcesOf(stack, "AWS::SecretsManager::Secret")) {
      expect(secret.Properties).toMatchObject({
        KmsKeyId: "arn:aws:kms:us-east-1:999988887777:key/mrk-0a1b",
        ReplicaRegions: [
          { Region: "eu-west-1", KmsKeyId: "arn:aws:kms:eu-west-1:999988887777:key/mrk-0a1b" },
        ],
      });
    }
  });

  it("put the runbook's address into every alarm's text", () => {
    for (const [, alarm] of resourcesOf(stack, "AWS::CloudWatch::Alarm"))
      expect(property(alarm, "AlarmDescription")).toMatch(
        /What to do: https:\/\/wiki\.example\.com\/voximplant#[a-z-]+$/,
      );
  });
});

describe("a private API", () => {
  const stack = stackOf({ vpcEndpointIds: "vpce-0a1b2c3d, vpce-4e5f6a7b" });
  const endpoints = ["vpce-0a1b2c3d", "vpce-4e5f6a7b"];

  it("can be reached only through its VPC endpoints", () => {
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

  it("appears with its base path in the mapping, the url and the function's environment", () => {
    const shared = stackOf({ domainName: "api.example.com", certificateArn, basePath: "tokens" });
    expect(shared.Resources["ApiDomainMapping"]?.Properties).toMatchObject({ BasePath: "tokens" });
    expect(shared.Outputs["ApiUrl"]?.Value).toBe("https://api.example.com/tokens");
    expect(provider["environment"]).toMatchObject({ BASE_PATH: "${param:basePath}" });
    expect(stack.Resources["ApiDomainMapping"]?.Properties).not.toHaveProperty("BasePath");
  });

  it("is regional, requires TLS 1.2, and is the only way to the API", () => {
    expect(stack.Resources["ApiDomain"]?.Properties).toMatchObject({
      DomainName: "tokens.example.com",
      RegionalCertificateArn: certificateArn,
      EndpointConfiguration: { Types: ["REGIONAL"] },
      SecurityPolicy: "TLS_1_2",
    });
    expect(property(stack.Resources["RestApi"], "DisableExecuteApiEndpoint")).toBe(true);
    expect(stack.Outputs["ApiUrl"]?.Value).toBe("https://tokens.example.com");
  });

  it("gets a DNS record if a hosted zone is given", () => {
    expect(property(stack.Resources["ApiDomainRecord"], "AliasTarget", "DNSName")).toEqual({
      "Fn::GetAtt": ["ApiDomain", "RegionalDomainName"],
    });
  });

  it("does not exist unless configured", () => {
    expect(resourcesOf(stackOf(), "AWS::ApiGateway::DomainName")).toEqual([]);
    expect(property(stackOf().Resources["RestApi"], "DisableExecuteApiEndpoint")).toBe(false);
  });
});

describe("a stack in two regions", () => {
  /** One serverless.yml for both. */
  const values = {
    primaryRegion: "us-east-1",
    replicaRegions: "eu-west-1",
    rotate: "all",
    replicate: "all",
    secrets: "create",
  };
  const primary = stackOf(values);
  const secondary = stackOf(values, { region: "eu-west-1" });

  it("replicates a secret only if configured, since AWS removes the replicas of an empty one", () => {
    const replicated = (replicate: string) =>
      resourcesOf(stackOf({ ...values, replicate }), "AWS::SecretsManager::Secret")
        .filter(([, secret]) => secret.Properties?.["ReplicaRegions"] !== undefined)
        .map(([, secret]) => property(secret, "Name"));
    expect(replicated("")).toEqual([]);
    expect(replicated("call-history")).toEqual(["voximplant/call-history"]);
    expect(() => replicated("call-hystory")).toThrow(
      "replicate: no service account call-hystory in the grants",
    );
  });

  it("replicates the primary's secrets under the key of the other region's stack", () => {
    for (const [, secret] of resourcesOf(primary, "AWS::SecretsManager::Secret")) {
      expect(property(secret, "ReplicaRegions")).toEqual([
        { Region: "eu-west-1", KmsKeyId: "alias/voximplant-token-vendor-dev-signing-keys" },
      ]);
    }
    expect(property(secondary.Resources["SigningKeysKeyAlias"], "AliasName")).toBe(
      "alias/voximplant-token-vendor-dev-signing-keys",
    );
  });

  const roleIn = (id: string) => ({
    "Fn::Sub": `arn:\${AWS::Partition}:iam::\${AWS::AccountId}:role/${String(property(secondary.Resources[id], "RoleName"))}`,
  });
  const readersOf = (secret: string) =>
    property(
      primary.Resources[`${secret}Policy`],
      ...["ResourcePolicy", "Statement", 0, "Condition", "ArnNotEquals", "aws:PrincipalArn"],
    );

  it("let the functions of the other region read their replica, whose policy is the primary's", () => {
    const readers = readersOf("SecretVoximplantOutboundCalls09ae40ea");
    expect(readers).toContainEqual(roleIn("VendTokenRole"));
    expect(readers).toContainEqual(roleIn("CallMethodRole"));
  });

  it("let call-method of neither region read a secret of which no methods are granted", () => {
    const readers = readersOf("SecretVoximplantCallHistory719b5b41");
    expect(readers).toContainEqual(roleIn("VendTokenRole"));
    expect(readers).not.toContainEqual(roleIn("CallMethodRole"));
    expect(readers).not.toContainEqual({ "Fn::GetAtt": ["CallMethodRole", "Arn"] });
  });

  it("have roles whose names IAM accepts, with the longest stage and a long region", () => {
    const { Resources } = stackOf({}, { stage: "a-long-stage-1", region: "ap-southeast-1" });
    for (const id of ["VendTokenRole", "CallMethodRole"])
      expect(String(property(Resources[id], "RoleName")).length).toBeLessThanOrEqual(64);
  });

  it("let reconciliation change the functions of both regions that hold keys, and no other function", () => {
    const changedIn = (stack: typeof primary) =>
      permissions(stack, "ReconcileKeysRole").filter((one) => one.includes(" lambda:"));
    const expected = (...names: readonly string[]) =>
      ["GetFunctionConfiguration", "UpdateFunctionConfiguration"].flatMap((action) =>
        names.flatMap((name) =>
          ["${AWS::Region}", "eu-west-1"].map(
            (region) =>
              `Allow lambda:${action} on {"Fn::Sub":"arn:\${AWS::Partition}:lambda:${region}:\${AWS::AccountId}:function:voximplant-token-vendor-dev-${name}"}`,
          ),
        ),
      );
    expect(changedIn(primary)).toEqual(expected("vend-token", "call-method"));
    expect(changedIn(stackOf(values, { grants: grantsOfTokens }))).toEqual(expected("vend-token"));
  });

  it("creates secrets, rotation and reconciliation in the primary region only", () => {
    for (const type of [
      "AWS::SecretsManager::Secret",
      "AWS::SecretsManager::ResourcePolicy",
      "AWS::Events::Rule",
    ]) {
      expect(resourcesOf(secondary, type)).toEqual([]);
    }
    const roles = resourcesOf(secondary, "AWS::IAM::Role").map(([id]) => id);
    expect(roles).toEqual(["LogRole", "VendTokenRole", "CallMethodRole"]);
    expect(Object.keys(secondary.Resources).filter((id) => /Rotation|Reconcil|UnknownKeys/.test(id))).toEqual(
      [],
    );
  });

  it("has the same secret names in both", () => {
    expect(permissions(secondary, "VendTokenRole")).toContain(
      'Allow secretsmanager:GetSecretValue on {"Fn::Sub":"arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:voximplant/outbound-calls-??????"}',
    );
  });

  it("passes to reconciliation the replicas that every secret must have", () => {
    const { reconcileKeys } = describeWith(values).keyFunctions;
    expect(reconcileKeys?.environment).toEqual({ REPLICA_REGIONS: "eu-west-1" });
    expect(describeWith().keyFunctions.reconcileKeys).not.toHaveProperty("environment");
  });

  it("uses the multi-Region key of each region", () => {
    const kmsKeyArn = "arn:aws:kms:us-east-1:999988887777:key/mrk-0a1b";
    const there = stackOf({ ...values, kmsKeyArn }, { region: "eu-west-1" });
    expect(permissions(there, "VendTokenRole")).toContain(
      "Allow kms:Decrypt on arn:aws:kms:eu-west-1:999988887777:key/mrk-0a1b",
    );
    expect(resourcesOf(there, "AWS::KMS::Key").map(([id]) => id)).toEqual(["OperationsKey"]);
  });

  it("adopts the KMS keys of earlier stacks in both, with secrets: existing", () => {
    const there = stackOf({ ...values, secrets: "existing" }, { region: "eu-west-1" });
    expect(there.Resources).not.toHaveProperty("SigningKeysKey");
  });

  it("is a single-region stack if the primary is the region that is deployed", () => {
    expect(stackOf({ primaryRegion: "us-east-1" })).toEqual(stackOf());
  });

  it("applies the secondary's own parameters to the secondary", () => {
    expect(secondary).toEqual(stackOf({ primaryRegion: "us-east-1" }, { region: "eu-west-1" }));
  });
});
