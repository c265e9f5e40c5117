import { describe, expect, it } from "vitest";
import { stackOf } from "./describe.ts";
import { property, resourcesOf } from "./promises.ts";

const stack = stackOf();

describe("the secrets", () => {
  it("are one per service account, named by the grants, without a value", () => {
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

  it.each(["AWS::SecretsManager::Secret", "AWS::SecretsManager::ResourcePolicy", "AWS::KMS::Alias"])(
    "outlive the stack, their policies and their key as well: %s",
    (type) => {
      for (const [, resource] of [
        ...resourcesOf(stack, type),
        ["", stack.Resources["SigningKeysKey"]] as const,
      ]) {
        expect(resource).toMatchObject({ DeletionPolicy: "Retain", UpdateReplacePolicy: "Retain" });
      }
    },
  );

  it("deny the value, and nothing else, to all but the functions' roles", () => {
    const policies = resourcesOf(stack, "AWS::SecretsManager::ResourcePolicy");
    expect(policies).toHaveLength(2);
    for (const [, policy] of policies) {
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
              "aws:PrincipalArn": ["VendTokenRole", "RotateKeyRole", "ReconcileKeysRole"].map((role) => ({
                "Fn::GetAtt": [role, "Arn"],
              })),
            },
          },
        },
      ]);
    }
  });

  it("are encrypted by a customer-managed key that rotates", () => {
    expect(stack.Resources["SigningKeysKey"]?.Properties).toMatchObject({ EnableKeyRotation: true });
  });

  it("share a secret between service accounts that name the same", () => {
    const grants =
      "serviceAccounts:\n  a: {secret: shared}\n  b: {secret: shared}\ngrants:\n  - principals: [arn:aws:iam::111122223333:role/r]\n    serviceAccounts: [a, b]\n";
    expect(resourcesOf(stackOf({}, { grants }), "AWS::SecretsManager::Secret")).toHaveLength(1);
  });
});

describe("rotation", () => {
  it("is off until it is asked for, since a secret has no value before the import", () => {
    expect(resourcesOf(stack, "AWS::SecretsManager::RotationSchedule")).toEqual([]);
    expect(stack.Outputs["Rotated"]?.Value).toBe("none");
  });

  it.each([
    ["outbound-calls", ["SecretVoximplantOutboundCalls09ae40ea"]],
    ["all", ["SecretVoximplantCallHistory719b5b41", "SecretVoximplantOutboundCalls09ae40ea"]],
  ])("has a schedule of 30 days where --param rotate=%s asks for it", (rotate, secrets) => {
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

  it("refuses a service account that the grants do not know", () => {
    expect(() => stackOf({ rotate: "outbound-cals" })).toThrow(
      "no service account outbound-cals in the grants",
    );
  });

  it("is invoked by Secrets Manager, for this account alone", () => {
    expect(stack.Resources["SecretsManagerMayRotate"]?.Properties).toMatchObject({
      Principal: "secretsmanager.amazonaws.com",
      SourceAccount: { Ref: "AWS::AccountId" },
    });
  });

  it.each([
    ["15", "rate(15 minutes)"],
    ["1", "rate(1 minute)"],
  ])("has reconciliation beside it, every %s minutes", (reconcileMinutes, expression) => {
    const rule = stackOf({ reconcileMinutes }).Resources["ReconciliationSchedule"];
    expect(rule?.Properties).toMatchObject({ ScheduleExpression: expression, State: "ENABLED" });
  });
});
