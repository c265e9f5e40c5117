import { describe, expect, it } from "vitest";
import type { Statement } from "../../infra/cloudformation.ts";
import { stackOf } from "./describe.ts";
import { property, resourcesOf } from "./promises.ts";

const stack = stackOf();

describe("the secrets", () => {
  it("exist once per service account, with the name from the grants and without a value", () => {
    const secrets = resourcesOf(stack, "AWS::SecretsManager::Secret").map(([, secret]) => secret.Properties);
    expect(secrets.map((secret) => secret?.["Name"])).toEqual([
      "voximplant/call-history",
      "voximplant/outbound-calls",
    ]);
    for (const secret of secrets) {
      expect(secret).not.toHaveProperty("SecretString");
      expect(secret).not.toHaveProperty("GenerateSecretString");
      expect(secret).toHaveProperty("KmsKeyId", { "Fn::GetAtt": ["SigningKeysKey", "Arn"] });
    }
  });

  it.each([
    "AWS::SecretsManager::Secret",
    "AWS::SecretsManager::ResourcePolicy",
    "AWS::KMS::Key",
    "AWS::KMS::Alias",
  ])("survive the deletion of the stack, but not a failed deployment: %s", (type) => {
    const resources = resourcesOf(stack, type).filter(([name]) => !name.startsWith("Operations"));
    expect(resources.length).toBeGreaterThan(0);
    for (const [, resource] of resources) {
      expect(resource).toMatchObject({
        DeletionPolicy: "RetainExceptOnCreate",
        UpdateReplacePolicy: "Retain",
      });
    }
  });

  it("do not use DeletionPolicy Retain, because a failed first deployment would block the next one", () => {
    const kept = Object.values(stack.Resources).map((resource) => resource.DeletionPolicy);
    expect(kept.filter((policy) => policy !== undefined).length).toBeGreaterThan(6);
    expect(kept).not.toContain("Retain");
  });

  describe("left by an earlier stack, with secrets: existing,", () => {
    const adopting = stackOf({ secrets: "existing", rotate: "all" });

    it("are not created again, and neither are their KMS key and its alias", () => {
      for (const type of ["AWS::SecretsManager::Secret", "AWS::KMS::Alias"])
        expect(resourcesOf(adopting, type)).toEqual([]);
      expect(adopting.Resources).not.toHaveProperty("SigningKeysKey");
    });

    it("get their policy and their rotation schedule by name", () => {
      for (const type of ["AWS::SecretsManager::ResourcePolicy", "AWS::SecretsManager::RotationSchedule"])
        expect(resourcesOf(adopting, type).map(([, { Properties }]) => Properties?.["SecretId"])).toEqual([
          "voximplant/call-history",
          "voximplant/outbound-calls",
        ]);
    });

    it("are the only secrets that the functions may use", () => {
      const statements = property(adopting.Resources["RotateKeyRole"], "Policies") as readonly {
        PolicyDocument: { Statement: readonly Statement[] };
      }[];
      const bySid = new Map(statements[0]?.PolicyDocument.Statement.map((one) => [one.Sid, one]));
      expect(bySid.get("SigningKeys")?.Resource).toEqual(
        ["call-history", "outbound-calls"].map((name) => ({
          "Fn::Sub": `arn:\${AWS::Partition}:secretsmanager:\${AWS::Region}:\${AWS::AccountId}:secret:voximplant/${name}-??????`,
        })),
      );
      expect(bySid.get("TheirKeyThroughSecretsManager")).toMatchObject({
        Resource: { "Fn::Sub": "arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/*" },
        Condition: {
          StringEquals: { "kms:ViaService": [{ "Fn::Sub": "secretsmanager.${AWS::Region}.amazonaws.com" }] },
          "ForAnyValue:StringEquals": {
            "kms:ResourceAliases": ["alias/voximplant-token-vendor-dev-signing-keys"],
          },
        },
      });
    });
  });

  it("stay readable with the stack's own KMS key after kmsKeyArn is set", () => {
    const kmsKeyArn = "arn:aws:kms:us-east-1:999988887777:key/0a1b";
    const changed = stackOf({ kmsKeyArn });
    for (const role of ["VendTokenRole", "RotateKeyRole", "ReconcileKeysRole"]) {
      const [policy] = property(changed.Resources[role], "Policies") as readonly {
        PolicyDocument: { Statement: readonly Statement[] };
      }[];
      const bySid = new Map(policy?.PolicyDocument.Statement.map((one) => [one.Sid, one]));
      expect(bySid.get("TheirKeyThroughSecretsManager")?.Resource).toBe(kmsKeyArn);
      expect(bySid.get("DecryptWithTheEarlierKey")).toMatchObject({
        Action: ["kms:Decrypt"],
        Condition: {
          StringEquals: { "kms:ViaService": [{ "Fn::Sub": "secretsmanager.${AWS::Region}.amazonaws.com" }] },
          "ForAnyValue:StringEquals": {
            "kms:ResourceAliases": ["alias/voximplant-token-vendor-dev-signing-keys"],
          },
        },
      });
    }
    expect(JSON.stringify(stack.Resources)).not.toContain("DecryptWithTheEarlierKey");
  });

  it.each([
    ["CallHistory719b5b41", ["VendTokenRole", "RotateKeyRole", "ReconcileKeysRole"]],
    // The sample has a grant of methods for this one.
    ["OutboundCalls09ae40ea", ["VendTokenRole", "CallMethodRole", "RotateKeyRole", "ReconcileKeysRole"]],
  ])("deny the value, and nothing else, to all but the functions' roles: %s", (name, readers) => {
    const policies = resourcesOf(stack, "AWS::SecretsManager::ResourcePolicy");
    expect(policies).toHaveLength(2);
    for (const [, policy] of policies.filter(([id]) => id === `SecretVoximplant${name}Policy`)) {
      expect(policy.Properties).toMatchObject({ BlockPublicPolicy: true });
      expect(property(policy, "ResourcePolicy", "Statement")).toEqual([
        {
          Sid: "OnlyTheFunctionsReadTheKey",
          Effect: "Deny",
          Principal: "*",
          Action: "secretsmanager:GetSecretValue",
          Resource: "*",
          Condition: {
            ArnNotEquals: {
              "aws:PrincipalArn": readers.map((role) => ({ "Fn::GetAtt": [role, "Arn"] })),
            },
          },
        },
      ]);
    }
  });

  it("are encrypted by a customer-managed key that is rotated", () => {
    expect(stack.Resources["SigningKeysKey"]?.Properties).toMatchObject({ EnableKeyRotation: true });
  });

  it("are shared by service accounts with the same secret name", () => {
    const grants =
      "serviceAccounts:\n  a: {secret: shared}\n  b: {secret: shared}\ngrants:\n  - principals: [arn:aws:iam::111122223333:role/r]\n    serviceAccounts: [a, b]\n";
    expect(resourcesOf(stackOf({}, { grants }), "AWS::SecretsManager::Secret")).toHaveLength(1);
  });
});

describe("rotation", () => {
  it("is off unless configured, since a secret has no value before the import", () => {
    expect(resourcesOf(stack, "AWS::SecretsManager::RotationSchedule")).toEqual([]);
    expect(stack.Outputs["Rotated"]?.Value).toBe("none");
  });

  it.each([
    ["outbound-calls", ["SecretVoximplantOutboundCalls09ae40ea"]],
    ["all", ["SecretVoximplantCallHistory719b5b41", "SecretVoximplantOutboundCalls09ae40ea"]],
  ])("has a schedule of 30 days with rotate: %s", (rotate, secrets) => {
    const schedules = resourcesOf(stackOf({ rotate }), "AWS::SecretsManager::RotationSchedule");
    expect(schedules.map(([, { Properties }]) => Properties)).toEqual(
      secrets.map((secret) => ({
        SecretId: { Ref: secret },
        RotationLambdaARN: { "Fn::GetAtt": ["RotateKeyLambdaFunction", "Arn"] },
        RotationRules: { ScheduleExpression: "rate(30 days)" },
        RotateImmediatelyOnUpdate: false,
      })),
    );
  });

  it("cannot be configured for a service account that the grants do not contain", () => {
    expect(() => stackOf({ rotate: "outbound-cals" })).toThrow(
      "no service account outbound-cals in the grants",
    );
  });

  it("can be started by Secrets Manager of this account only", () => {
    expect(stack.Resources["SecretsManagerMayRotate"]?.Properties).toMatchObject({
      Principal: "secretsmanager.amazonaws.com",
      SourceAccount: { Ref: "AWS::AccountId" },
    });
  });

  it.each([
    ["15", "rate(15 minutes)"],
    ["1", "rate(1 minute)"],
  ])("comes with a reconciliation every %s minutes", (reconcileMinutes, expression) => {
    const rule = stackOf({ reconcileMinutes }).Resources["ReconciliationSchedule"];
    expect(rule?.Properties).toMatchObject({ ScheduleExpression: expression, State: "ENABLED" });
  });
});
