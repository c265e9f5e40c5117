import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  SecretsManagerClient,
  TagResourceCommand,
  UpdateSecretCommand,
  UpdateSecretVersionStageCommand,
} from "@aws-sdk/client-secrets-manager";
import { afterEach, describe, expect, it, vi } from "vitest";
import { exchange } from "../../local/exchange.ts";
import { createSecretsManager, type SecretsManagerOptions } from "../../local/secrets-manager/in-process.ts";

const SecretId = "voximplant/outbound-calls";
const v1 = "11111111-1111-4111-8111-111111111111";
const v2 = "22222222-2222-4222-8222-222222222222";
const v3 = "33333333-3333-4333-8333-333333333333";
const START = Date.UTC(2026, 10, 24, 12);

afterEach(() => {
  vi.restoreAllMocks();
});

function open(options: SecretsManagerOptions = {}) {
  const clock = { now: START };
  const secrets = createSecretsManager({ now: () => new Date(clock.now), ...options });
  const client = new SecretsManagerClient({
    region: "us-east-1",
    credentials: { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "example" },
    requestHandler: secrets.requestHandler,
    maxAttempts: 1,
  });
  return {
    clock,
    secrets,
    client,
    create: () =>
      client.send(new CreateSecretCommand({ Name: SecretId, SecretString: "one", ClientRequestToken: v1 })),
    put: (version: string, ...stages: string[]) =>
      client.send(
        new PutSecretValueCommand({
          SecretId,
          SecretString: `value of ${version}`,
          ClientRequestToken: version,
          ...(stages.length > 0 && { VersionStages: stages }),
        }),
      ),
    makeCurrent: (from: string, to: string) =>
      client.send(
        new UpdateSecretVersionStageCommand({
          SecretId,
          VersionStage: "AWSCURRENT",
          RemoveFromVersionId: from,
          MoveToVersionId: to,
        }),
      ),
    describe: () => client.send(new DescribeSecretCommand({ SecretId })),
    stages: async () => (await client.send(new DescribeSecretCommand({ SecretId }))).VersionIdsToStages,
  };
}

describe("the stand-in's AWSPENDING, when AWSCURRENT moves", () => {
  it.each([
    [{}, ["AWSPENDING", "AWSCURRENT"]],
    [{ pendingOnPromotion: "removed" }, ["AWSCURRENT"]],
  ] as const)("is among the promoted version's labels or not, with %j: %j", async (options, labels) => {
    const { create, put, makeCurrent, stages } = open(options);
    await create();
    await put(v2, "AWSPENDING");
    await makeCurrent(v1, v2);
    expect(await stages()).toEqual({ [v1]: ["AWSPREVIOUS"], [v2]: labels });
  });

  it.each([
    ["PutSecretValue", {}, ["AWSPREVIOUS"]],
    ["PutSecretValue", { pendingOnDemotion: "kept" }, ["AWSPENDING", "AWSPREVIOUS"]],
    ["UpdateSecret", {}, ["AWSPREVIOUS"]],
    ["UpdateSecret", { pendingOnDemotion: "kept" }, ["AWSPENDING", "AWSPREVIOUS"]],
    ["UpdateSecretVersionStage", {}, ["AWSPENDING", "AWSPREVIOUS"]],
    ["UpdateSecretVersionStage", { pendingOnDemotion: "removed" }, ["AWSPREVIOUS"]],
  ] as const)(
    "is among the demoted version's labels or not, after %s with %j: %j",
    async (by, options, labels) => {
      const { client, create, put, makeCurrent, stages } = open(options);
      await create();
      await put(v2, "AWSPENDING");
      await makeCurrent(v1, v2);
      if (by === "PutSecretValue") await put(v3);
      if (by === "UpdateSecret")
        await client.send(new UpdateSecretCommand({ SecretId, SecretString: "three" }));
      if (by === "UpdateSecretVersionStage") await makeCurrent(v2, v1);
      expect((await stages())?.[v2]).toEqual(labels);
    },
  );

  it.each([
    [{}, { [v1]: ["AWSPREVIOUS"], [v2]: ["AWSPENDING"], [v3]: ["AWSCURRENT"] }],
    [{ otherPendingOnPut: "removed" }, { [v1]: ["AWSPREVIOUS"], [v3]: ["AWSCURRENT"] }],
  ] as const)(
    "stays on another pending version or not, after PutSecretValue with %j: %j",
    async (options, labels) => {
      const { create, put, stages } = open(options);
      await create();
      await put(v2, "AWSPENDING");
      await put(v3);
      expect(await stages()).toEqual(labels);
    },
  );
});

describe("the stand-in's AWSPENDING, after the last step of a rotation", () => {
  it.each([
    [{}, ["AWSPENDING", "AWSCURRENT"]],
    [{ pendingAfterRotation: "removed" }, ["AWSCURRENT"]],
  ] as const)("is among the current version's labels or not, with %j: %j", async (options, labels) => {
    const RotationLambdaARN = "arn:aws:lambda:us-east-1:111122223333:function:rotate-key";
    const { client, create, put, makeCurrent, stages, secrets } = open({
      ...options,
      rotate: async ({ Step }) => {
        if (Step === "createSecret") await put(v2, "AWSPENDING");
        if (Step === "finishSecret") await makeCurrent(v1, v2);
      },
    });
    await create();
    await client.send(new RotateSecretCommand({ SecretId, RotationLambdaARN, ClientRequestToken: v2 }));
    await secrets.rotationsSettled();
    expect(await stages()).toEqual({ [v1]: ["AWSPREVIOUS"], [v2]: labels });
  });
});

describe("the stand-in's reads with a lag", () => {
  it("return a write after the lag, and not a millisecond earlier", async () => {
    const { clock, client, create, put, stages } = open({ readLagMs: 3_000 });
    await create();
    await expect(stages()).rejects.toMatchObject({ name: "ResourceNotFoundException" });
    clock.now += 10_000;
    await put(v2);
    clock.now += 2_999;
    expect(await client.send(new GetSecretValueCommand({ SecretId }))).toMatchObject({ SecretString: "one" });
    await expect(client.send(new GetSecretValueCommand({ SecretId, VersionId: v2 }))).rejects.toMatchObject({
      name: "ResourceNotFoundException",
    });
    const ids = async () =>
      (await client.send(new ListSecretVersionIdsCommand({ SecretId }))).Versions?.map(
        (one) => one.VersionId,
      );
    expect([await stages(), await ids()]).toEqual([{ [v1]: ["AWSCURRENT"] }, [v1]]);
    clock.now += 1;
    expect([await stages(), await ids()]).toEqual([
      { [v1]: ["AWSPREVIOUS"], [v2]: ["AWSCURRENT"] },
      [v1, v2],
    ]);
  });

  it("do not delay writes, which act on the current state", async () => {
    const { create, put, makeCurrent, secrets } = open({ readLagMs: 3_000 });
    await create();
    await put(v2, "AWSPENDING");
    await put(v2, "AWSPENDING");
    await makeCurrent(v1, v2);
    await expect(makeCurrent(v1, v2)).rejects.toMatchObject({ name: "InvalidParameterException" });
    expect([...(secrets.secrets.get(SecretId)?.versions.get(v2)?.stages ?? [])]).toContain("AWSCURRENT");
  });

  it("return secrets that a test added after the lag, and initial secrets at once", async () => {
    const { clock, secrets, stages } = open({ readLagMs: 3_000, secrets: { [SecretId]: "one" } });
    const [version] = Object.keys((await stages()) ?? {});
    secrets.secrets.get(SecretId)?.versions.set(v2, {
      id: v2,
      createdDate: clock.now / 1000,
      stages: new Set(["AWSPENDING"]),
    });
    expect(Object.keys((await stages()) ?? {})).toEqual([version]);
    clock.now += 3_000;
    expect(Object.keys((await stages()) ?? {})).toEqual([version, v2]);
  });
});

describe("the stand-in's DescribeSecret", () => {
  it("omits what AWS omits for a secret without rotation, tags, replicas and values", async () => {
    const { secrets } = open();
    await secrets.call("CreateSecret", { Name: SecretId, Description: "" });
    const answer = await secrets.call("DescribeSecret", { SecretId });
    expect(Object.keys(answer).sort()).toEqual(["ARN", "CreatedDate", "LastChangedDate", "Name"]);
    const { SecretList } = await secrets.call("ListSecrets", {});
    expect(SecretList).toEqual([answer]);
  });

  it("reports the rules, the last and the next rotation of a secret that rotates", async () => {
    const { clock, client, create, describe, secrets } = open({ rotate: () => Promise.resolve() });
    await create();
    const RotationRules = { AutomaticallyAfterDays: 7 };
    const RotationLambdaARN = "arn:aws:lambda:us-east-1:111122223333:function:rotate-key";
    await client.send(
      new RotateSecretCommand({ SecretId, RotationLambdaARN, RotationRules, ClientRequestToken: v2 }),
    );
    await secrets.rotationsSettled();
    expect(await describe()).toMatchObject({
      RotationEnabled: true,
      RotationLambdaARN,
      RotationRules,
      NextRotationDate: new Date(Date.UTC(2026, 11, 1, 23, 59, 59)),
    });
    expect(await describe()).not.toHaveProperty("LastRotatedDate");

    // The function above moves no label. The test does, and the same rotation then succeeds.
    await secrets.call("PutSecretValue", {
      SecretId,
      SecretString: "two",
      ClientRequestToken: v2,
      VersionStages: ["AWSPENDING"],
    });
    await secrets.call("UpdateSecretVersionStage", {
      SecretId,
      VersionStage: "AWSCURRENT",
      RemoveFromVersionId: v1,
      MoveToVersionId: v2,
    });
    clock.now += 86_400_000;
    await client.send(new RotateSecretCommand({ SecretId, ClientRequestToken: v2 }));
    await secrets.rotationsSettled();
    expect(await describe()).toMatchObject({
      LastRotatedDate: new Date(clock.now),
      NextRotationDate: new Date(Date.UTC(2026, 11, 2, 23, 59, 59)),
    });
    await secrets.call("CancelRotateSecret", { SecretId });
    expect(await describe()).toMatchObject({ RotationEnabled: false, RotationRules });
    expect(await describe()).not.toHaveProperty("NextRotationDate");
  });

  it("reports the state of each replica, as it was planted or changed", async () => {
    const { secrets, describe } = open({ secrets: { [SecretId]: "one" }, replicaRegions: ["eu-west-1"] });
    expect((await describe()).ReplicationStatus).toEqual([{ Region: "eu-west-1", Status: "InSync" }]);
    const secret = secrets.secrets.get(SecretId);
    if (secret !== undefined) secret.replicas = [{ Region: "eu-west-1", Status: "InProgress" }];
    expect((await describe()).ReplicationStatus).toEqual([{ Region: "eu-west-1", Status: "InProgress" }]);
  });

  it("returns the tags of a secret", async () => {
    const { client, create, describe } = open();
    await create();
    await client.send(new TagResourceCommand({ SecretId, Tags: [{ Key: "a", Value: "b" }] }));
    expect((await describe()).Tags).toEqual([{ Key: "a", Value: "b" }]);
  });
});

describe("the stand-in's ListSecretVersionIds", () => {
  it("returns versions without a label only on request, without VersionStages, page by page", async () => {
    const { client, create, put } = open();
    await create();
    await put(v2);
    await put(v3);
    const list = (input: object) => client.send(new ListSecretVersionIdsCommand({ SecretId, ...input }));
    expect((await list({})).Versions).toEqual([
      {
        VersionId: v2,
        VersionStages: ["AWSPREVIOUS"],
        CreatedDate: new Date(START),
        KmsKeyIds: ["DefaultEncryptionKey"],
      },
      {
        VersionId: v3,
        VersionStages: ["AWSCURRENT"],
        CreatedDate: new Date(START),
        KmsKeyIds: ["DefaultEncryptionKey"],
      },
    ]);
    const first = await list({ IncludeDeprecated: true, MaxResults: 2 });
    expect(first.Versions?.map((one) => [one.VersionId, one.VersionStages])).toEqual([
      [v1, undefined],
      [v2, ["AWSPREVIOUS"]],
    ]);
    const second = await list({ IncludeDeprecated: true, MaxResults: 2, NextToken: first.NextToken });
    expect(second.Versions?.map((one) => one.VersionId)).toEqual([v3]);
    expect(second.NextToken).toBeUndefined();
  });
});

/** Sends a body byte for byte, as a program without an SDK does. */
async function post(operation: string, body: string | Buffer, options: SecretsManagerOptions = {}) {
  const { serve } = createSecretsManager(options);
  const answer = await exchange(serve, {
    method: "POST",
    target: "/",
    headers: [["X-Amz-Target", operation]],
    body: Buffer.from(body as string),
    bodyTooLarge: false,
    sourceIp: "127.0.0.1",
  });
  return { status: answer.status, ...(JSON.parse(answer.body.toString()) as object) };
}

describe("a raw request to the stand-in", () => {
  const SecretString = "one";

  it.each([
    ["CreateSecret", { Name: SecretId, SecretString }, "InvalidRequestException"],
    ["PutSecretValue", { SecretId, SecretString }, "InvalidRequestException"],
    ["UpdateSecret", { SecretId, SecretString }, "InvalidRequestException"],
    ["RotateSecret", { SecretId }, "InvalidParameterException"],
  ])("needs a ClientRequestToken in %s, even if the secret is missing", async (operation, input, type) => {
    expect(await post(`secretsmanager.${operation}`, JSON.stringify(input))).toEqual({
      status: 400,
      __type: type,
      Message: "You must provide a ClientRequestToken value. We recommend a UUID-type value.",
    });
  });

  it.each([
    ["not JSON", "{"],
    ["not UTF-8", Buffer.from('{"SecretId":"\xff"}', "latin1")],
    ["a list", "[]"],
    ["null", "null"],
    ["a string", '"x"'],
    ["a number in place of a string", '{"SecretId":5}'],
    ["an object in place of a string", '{"SecretId":{}}'],
  ])("is refused with SerializationException if its body is %s", async (_, body) => {
    expect(await post("secretsmanager.DescribeSecret", body)).toMatchObject({
      status: 400,
      __type: "SerializationException",
    });
  });

  it("may have null in place of a field that it does not give", async () => {
    const body = JSON.stringify({ SecretId, VersionId: null, VersionStage: null });
    const answer = await post("secretsmanager.GetSecretValue", body, { secrets: { [SecretId]: "one" } });
    expect(answer).toMatchObject({ status: 200, SecretString: "one" });
  });

  it.each([
    "DescribeSecret",
    "secretsmanager.describesecret",
    "secretsmanager.__proto__",
    "x.DescribeSecret",
    "",
  ])("is refused with UnknownOperationException if its target is %j", async (target) => {
    expect(
      await post(target, JSON.stringify({ SecretId }), { secrets: { [SecretId]: "one" } }),
    ).toMatchObject({
      status: 400,
      __type: "UnknownOperationException",
    });
  });
});

describe("an ARN without its suffix", () => {
  it("does not find a secret whose name ends like a suffix, as on AWS", async () => {
    const { client } = open();
    const Name = "Invalid/_+=.@-Name-a1b2c3";
    const { ARN } = await client.send(new CreateSecretCommand({ Name, SecretString: "one" }));
    const partial = ARN?.slice(0, -7);
    expect(partial).toMatch(/-a1b2c3$/);
    await expect(client.send(new GetSecretValueCommand({ SecretId: partial }))).rejects.toMatchObject({
      name: "ResourceNotFoundException",
    });
    for (const id of [Name, ARN]) {
      const found = await client.send(new GetSecretValueCommand({ SecretId: id }));
      expect(found.SecretString).toBe("one");
    }
  });
});

describe("a request beyond a limit of AWS", () => {
  it.each([
    [
      "a request token of 31 characters",
      "PutSecretValue",
      { SecretId, SecretString: "x", ClientRequestToken: "x".repeat(31) },
    ],
    [
      "a request token of 65 characters",
      "PutSecretValue",
      { SecretId, SecretString: "x", ClientRequestToken: "x".repeat(65) },
    ],
    ["a value of 65,537 bytes", "PutSecretValue", { SecretId, SecretString: "x".repeat(65_537) }],
    [
      "a value of fewer characters and more bytes",
      "PutSecretValue",
      { SecretId, SecretString: "é".repeat(32_769) },
    ],
    [
      "a binary value of 65,537 bytes",
      "PutSecretValue",
      { SecretId, SecretBinary: Buffer.alloc(65_537).toString("base64") },
    ],
    ["an empty value", "PutSecretValue", { SecretId, SecretString: "" }],
    ["a name of 513 characters", "CreateSecret", { Name: "x".repeat(513) }],
  ])("is refused with ValidationException: %s", async (_, operation, input) => {
    const { secrets } = open({ secrets: { [SecretId]: "one" } });
    await expect(secrets.call(operation, input)).rejects.toMatchObject({ type: "ValidationException" });
  });

  it.each([
    ["CreateSecret", { Name: "a name" }],
    ["CreateSecret", { Name: "ä" }],
    ["CreateSecret", { Name: "a:b" }],
    ["GetSecretValue", { SecretId: "a*b" }],
  ])("is refused with AWS's text about names: %s with %j", async (operation, input) => {
    const { secrets } = open();
    await expect(secrets.call(operation, input)).rejects.toMatchObject({
      type: "ValidationException",
      message:
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
    });
  });

  it("is refused if the new secret's name has a !, which only secrets of AWS's own services have", async () => {
    const { secrets } = open();
    await expect(secrets.call("CreateSecret", { Name: "rds!db-1" })).rejects.toMatchObject({
      type: "ValidationException",
      message: expect.stringContaining("/_+=.@-") as string,
    });
    await expect(secrets.call("DescribeSecret", { SecretId: "rds!db-1" })).rejects.toMatchObject({
      type: "ResourceNotFoundException",
    });
  });

  it("does not include a value of 65,536 bytes or a token of 32 or 64 characters", async () => {
    const { secrets } = open({ secrets: { [SecretId]: "one" } });
    for (const [length, size] of [
      [32, 65_536],
      [64, 1],
    ] as const) {
      const input = { SecretId, SecretString: "x".repeat(size), ClientRequestToken: "t".repeat(length) };
      expect(await secrets.call("PutSecretValue", input)).toMatchObject({ VersionStages: ["AWSCURRENT"] });
    }
  });
});

describe("the stand-in's DeleteSecret with ForceDeleteWithoutRecovery", () => {
  it("succeeds if the secret does not exist, and again if it is already deleted", async () => {
    const { client, create } = open();
    const force = () => client.send(new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }));
    expect(await force()).toMatchObject({ Name: SecretId, DeletionDate: new Date(START) });
    await create();
    await client.send(new DeleteSecretCommand({ SecretId, RecoveryWindowInDays: 7 }));
    expect(await force()).toMatchObject({ Name: SecretId });
    expect(await force()).toMatchObject({ Name: SecretId });
    await expect(client.send(new DeleteSecretCommand({ SecretId }))).rejects.toMatchObject({
      name: "ResourceNotFoundException",
    });
  });
});

describe("a rotation of the stand-in that cannot run", () => {
  const RotationLambdaARN = "arn:aws:lambda:us-east-1:111122223333:function:rotate-key";

  it("is printed if the stand-in itself failed", async () => {
    const printed = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const { client, create, secrets } = open();
    await create();
    await client.send(new RotateSecretCommand({ SecretId, RotationLambdaARN }));
    await secrets.rotationsSettled();
    expect(printed.mock.calls.flat().map(String)).toContainEqual(
      "Error: There is no rotation function behind this stand-in.",
    );
  });

  it("is not printed if the function failed, which has its own log", async () => {
    const printed = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const { client, create, secrets } = open({ rotate: () => Promise.reject(new Error("killed")) });
    await create();
    await client.send(new RotateSecretCommand({ SecretId, RotationLambdaARN }));
    await secrets.rotationsSettled();
    expect(printed).not.toHaveBeenCalled();
  });
});

describe("RotateSecret while another version is pending", () => {
  it("answers with AWS's error and continues that version, not a new one", async () => {
    const events: string[] = [];
    const { client, create, put, makeCurrent, secrets } = open({
      rotationFunctionArn: "arn:aws:lambda:us-east-1:111122223333:function:rotate-key",
      secrets: {},
      rotate: ({ Step, ClientRequestToken }) => {
        events.push(`${Step} ${ClientRequestToken}`);
        return Promise.resolve();
      },
    });
    await create();
    await put(v2, "AWSPENDING");
    await makeCurrent(v1, v2);
    await makeCurrent(v2, v1); // By hand: v2 is superseded and keeps AWSPENDING.
    const RotationLambdaARN = "arn:aws:lambda:us-east-1:111122223333:function:rotate-key";
    await expect(
      client.send(new RotateSecretCommand({ SecretId, RotationLambdaARN, ClientRequestToken: v3 })),
    ).rejects.toMatchObject({
      name: "InvalidRequestException",
      message: "A previous rotation isn't complete. That rotation will be reattempted.",
    });
    await secrets.rotationsSettled();
    expect(events[0]).toBe(`createSecret ${v2}`);
    expect([...(secrets.secrets.get(SecretId)?.versions.keys() ?? [])]).toEqual([v1, v2]);
  });
});
