import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  RestoreSecretCommand,
  RotateSecretCommand,
  SecretsManagerClient,
  UpdateSecretCommand,
  UpdateSecretVersionStageCommand,
} from "@aws-sdk/client-secrets-manager";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type SecretsManager,
  type SecretsManagerOptions,
  startSecretsManager,
} from "../../local/secrets-manager/server.ts";
import type { RotationEvent } from "../../local/secrets-manager/state.ts";

const v1 = "11111111-1111-4111-8111-111111111111";
const v2 = "22222222-2222-4222-8222-222222222222";
const v3 = "33333333-3333-4333-8333-333333333333";
const SecretId = "voximplant/outbound-calls";

let server: SecretsManager;
let client: SecretsManagerClient;

async function start(options: SecretsManagerOptions = {}): Promise<void> {
  server = await startSecretsManager(options);
  client = new SecretsManagerClient({
    endpoint: server.url,
    region: "us-east-1",
    credentials: { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "example" },
    maxAttempts: 1,
  });
}

async function create(): Promise<void> {
  await client.send(new CreateSecretCommand({ Name: SecretId, SecretString: "one", ClientRequestToken: v1 }));
}

async function stages(): Promise<Record<string, string[]> | undefined> {
  return (await client.send(new DescribeSecretCommand({ SecretId }))).VersionIdsToStages;
}

beforeEach(() => start());
afterEach(() => server.close());

describe("the Secrets Manager stand-in, through the unmodified SDK", () => {
  it("finds a secret by its name, its ARN and its ARN without the suffix", async () => {
    await create();
    const { ARN } = await client.send(new DescribeSecretCommand({ SecretId }));
    expect(ARN).toMatch(
      /^arn:aws:secretsmanager:us-east-1:111122223333:secret:voximplant\/outbound-calls-[A-Za-z0-9]{6}$/,
    );
    for (const id of [SecretId, ARN, ARN?.slice(0, -7)]) {
      const found = await client.send(new GetSecretValueCommand({ SecretId: id }));
      expect(found).toMatchObject({
        SecretString: "one",
        Name: SecretId,
        VersionId: v1,
        VersionStages: ["AWSCURRENT"],
      });
      expect(found.CreatedDate).toBeInstanceOf(Date);
    }
  });

  it("keeps binary values", async () => {
    const SecretBinary = new Uint8Array([0, 1, 255]);
    await client.send(new CreateSecretCommand({ Name: "binary", SecretBinary }));
    const found = await client.send(new GetSecretValueCommand({ SecretId: "binary" }));
    expect([...(found.SecretBinary ?? [])]).toEqual([0, 1, 255]);
  });

  it("moves AWSPREVIOUS to the version that was current", async () => {
    await create();
    await client.send(new PutSecretValueCommand({ SecretId, SecretString: "two", ClientRequestToken: v2 }));
    expect(await stages()).toEqual({ [v1]: ["AWSPREVIOUS"], [v2]: ["AWSCURRENT"] });
    await client.send(new UpdateSecretCommand({ SecretId, SecretString: "three", ClientRequestToken: v3 }));
    expect(await stages()).toEqual({ [v2]: ["AWSPREVIOUS"], [v3]: ["AWSCURRENT"] });
    const all = await client.send(new ListSecretVersionIdsCommand({ SecretId, IncludeDeprecated: true }));
    expect(all.Versions?.map((version) => version.VersionId)).toEqual([v1, v2, v3]);
  });

  it.each([
    ["kept", ["AWSPENDING", "AWSCURRENT"]],
    ["removed", ["AWSCURRENT"]],
  ] as const)(
    "moves AWSCURRENT to a pending version, whose own label is %s",
    async (pendingLabel, labels) => {
      await server.close();
      await start({ pendingOnPromotion: pendingLabel });
      await create();
      await client.send(
        new PutSecretValueCommand({
          SecretId,
          SecretString: "two",
          ClientRequestToken: v2,
          VersionStages: ["AWSPENDING"],
        }),
      );
      const read = async (VersionStage?: string) =>
        (await client.send(new GetSecretValueCommand({ SecretId, VersionStage }))).SecretString;
      expect([await read(), await read("AWSPENDING")]).toEqual(["one", "two"]);
      await client.send(
        new UpdateSecretVersionStageCommand({
          SecretId,
          VersionStage: "AWSCURRENT",
          RemoveFromVersionId: v1,
          MoveToVersionId: v2,
        }),
      );
      expect(await stages()).toEqual({ [v1]: ["AWSPREVIOUS"], [v2]: labels });
      expect(await read()).toBe("two");
    },
  );

  it("treats a repeated request with the same token and value as one request", async () => {
    await create();
    const again = new PutSecretValueCommand({ SecretId, SecretString: "two", ClientRequestToken: v2 });
    await client.send(again);
    await client.send(new PutSecretValueCommand({ SecretId, SecretString: "three", ClientRequestToken: v3 }));
    await client.send(again);
    await create();
    expect(await stages()).toEqual({ [v2]: ["AWSPREVIOUS"], [v3]: ["AWSCURRENT"] });
    await expect(
      client.send(new PutSecretValueCommand({ SecretId, SecretString: "else", ClientRequestToken: v2 })),
    ).rejects.toMatchObject({
      name: "ResourceExistsException",
      message: expect.stringContaining(`You can't use ClientRequestToken ${v2}`) as string,
    });
  });

  it("hides a deleted secret until it is restored", async () => {
    await create();
    const { DeletionDate } = await client.send(
      new DeleteSecretCommand({ SecretId, RecoveryWindowInDays: 7 }),
    );
    expect(DeletionDate).toBeInstanceOf(Date);
    await expect(client.send(new GetSecretValueCommand({ SecretId }))).rejects.toMatchObject({
      name: "InvalidRequestException",
      message: "You can't perform this operation on the secret because it was marked for deletion.",
    });
    await expect(create()).rejects.toMatchObject({ name: "InvalidRequestException" });
    expect((await client.send(new ListSecretsCommand({}))).SecretList).toEqual([]);
    await client.send(new RestoreSecretCommand({ SecretId }));
    expect((await client.send(new GetSecretValueCommand({ SecretId }))).SecretString).toBe("one");
  });

  it("lists page by page, and by the beginning of a name", async () => {
    await create();
    await client.send(new CreateSecretCommand({ Name: "other/one", SecretString: "x" }));
    await client.send(new CreateSecretCommand({ Name: "other/two", SecretString: "x" }));
    const first = await client.send(new ListSecretsCommand({ MaxResults: 2 }));
    const second = await client.send(new ListSecretsCommand({ MaxResults: 2, NextToken: first.NextToken }));
    expect([first.SecretList?.length, second.SecretList?.length, second.NextToken]).toEqual([
      2,
      1,
      undefined,
    ]);
    const filtered = await client.send(
      new ListSecretsCommand({ Filters: [{ Key: "name", Values: ["other/"] }] }),
    );
    expect(filtered.SecretList?.map((secret) => secret.Name)).toEqual(["other/one", "other/two"]);
  });
});

describe("the Secrets Manager stand-in answers with AWS's error", () => {
  beforeEach(async () => {
    await create();
    await client.send(
      new PutSecretValueCommand({
        SecretId,
        SecretString: "two",
        ClientRequestToken: v2,
        VersionStages: ["AWSPENDING"],
      }),
    );
  });

  it.each([
    {
      what: "an unknown secret",
      command: new GetSecretValueCommand({ SecretId: "nobody" }),
      name: "ResourceNotFoundException",
      message: "Secrets Manager can't find the specified secret.",
    },
    {
      what: "a stage that no version has",
      command: new GetSecretValueCommand({ SecretId, VersionStage: "AWSPREVIOUS" }),
      name: "ResourceNotFoundException",
      message: "Secrets Manager can't find the specified secret value for staging label: AWSPREVIOUS",
    },
    {
      what: "an unknown version",
      command: new GetSecretValueCommand({ SecretId, VersionId: v3 }),
      name: "ResourceNotFoundException",
      message: `Secrets Manager can't find the specified secret value for VersionId: ${v3}`,
    },
    {
      what: "a version without the stage asked for",
      command: new GetSecretValueCommand({ SecretId, VersionId: v1, VersionStage: "AWSPENDING" }),
      name: "InvalidRequestException",
      message: "You provided a VersionStage that is not associated to the provided VersionId.",
    },
    {
      what: "a name that is taken",
      command: new CreateSecretCommand({ Name: SecretId, SecretString: "else" }),
      name: "ResourceExistsException",
      message: `The operation failed because the secret ${SecretId} already exists.`,
    },
    {
      what: "a label moved without saying from where",
      command: new UpdateSecretVersionStageCommand({
        SecretId,
        VersionStage: "AWSCURRENT",
        MoveToVersionId: v2,
      }),
      name: "InvalidParameterException",
      message: `The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version ${v1}, so you must explicitly reference that version in RemoveFromVersionId.`,
    },
    {
      what: "AWSCURRENT taken away altogether",
      command: new UpdateSecretVersionStageCommand({
        SecretId,
        VersionStage: "AWSCURRENT",
        RemoveFromVersionId: v1,
      }),
      name: "InvalidParameterException",
      message:
        "You can only move staging label AWSCURRENT to a different secret version. It can’t be completely removed.",
    },
    {
      what: "a rotation without a function",
      command: new RotateSecretCommand({ SecretId }),
      name: "InvalidRequestException",
      message: "No Lambda rotation function ARN is associated with this secret.",
    },
  ])("to $what: $name", async ({ command, name, message }) => {
    // @ts-expect-error -- the table mixes commands, which `send` takes one kind at a time
    await expect(client.send(command)).rejects.toMatchObject({ name, message });
  });

  it("to a request token that is too short, with the name of the field", async () => {
    await expect(
      client.send(new PutSecretValueCommand({ SecretId, SecretString: "x", ClientRequestToken: "short" })),
    ).rejects.toMatchObject({
      name: "ValidationException",
      message: expect.stringContaining("ClientRequestToken") as string,
    });
  });
});

describe("a rotation by the stand-in", () => {
  const RotationLambdaARN = "arn:aws:lambda:us-east-1:111122223333:function:rotate-key";

  async function startRotating(rotate: (event: RotationEvent) => Promise<void>): Promise<void> {
    await server.close();
    await start({ rotate });
    await create();
  }

  it("invokes the function for four steps on an empty pending version", async () => {
    const events: RotationEvent[] = [];
    await startRotating(async (event) => {
      events.push(event);
      if (events.length === 1) {
        expect(await stages()).toEqual({ [v1]: ["AWSCURRENT"], [v2]: ["AWSPENDING"] });
        await expect(
          client.send(new GetSecretValueCommand({ SecretId, VersionStage: "AWSPENDING" })),
        ).rejects.toMatchObject({ name: "ResourceNotFoundException" });
      }
    });
    const answer = await client.send(
      new RotateSecretCommand({ SecretId, RotationLambdaARN, ClientRequestToken: v2 }),
    );
    expect(answer.VersionId).toBe(v2);
    await server.rotationsSettled();
    expect(events.map((event) => event.Step)).toEqual([
      "createSecret",
      "setSecret",
      "testSecret",
      "finishSecret",
    ]);
    expect(new Set(events.map((event) => event.ClientRequestToken))).toEqual(new Set([v2]));
    expect(events[0]?.SecretId).toBe(answer.ARN);
  });

  it("ends at a step that fails, and the next rotation continues it", async () => {
    const steps: string[] = [];
    await startRotating((event) => {
      steps.push(`${event.Step} ${event.ClientRequestToken}`);
      return steps.length === 2 ? Promise.reject(new Error("killed")) : Promise.resolve();
    });
    await client.send(new RotateSecretCommand({ SecretId, RotationLambdaARN, ClientRequestToken: v2 }));
    await server.rotationsSettled();
    expect(steps).toEqual([`createSecret ${v2}`, `setSecret ${v2}`]);
    await expect(
      client.send(new RotateSecretCommand({ SecretId, ClientRequestToken: v3 })),
    ).rejects.toMatchObject({
      name: "InvalidRequestException",
      message: "A previous rotation isn't complete. That rotation will be reattempted.",
    });
    await server.rotationsSettled();
    expect(steps.slice(2)).toEqual([
      `createSecret ${v2}`,
      `setSecret ${v2}`,
      `testSecret ${v2}`,
      `finishSecret ${v2}`,
    ]);
  });

  it("only tests the function when it is not to rotate at once", async () => {
    const steps: string[] = [];
    await startRotating((event) => {
      steps.push(event.Step);
      return Promise.resolve();
    });
    await client.send(new RotateSecretCommand({ SecretId, RotationLambdaARN, RotateImmediately: false }));
    await server.rotationsSettled();
    expect(steps).toEqual(["testSecret"]);
    expect(await stages()).toEqual({ [v1]: ["AWSCURRENT"] });
  });
});

describe("injected faults", () => {
  it("break a call before it runs, or after", async () => {
    await server.close();
    await start({
      fault: (operation, n) =>
        operation === "PutSecretValue" ? { drop: n === 1 ? "before" : "after" } : undefined,
    });
    await create();
    const put = () =>
      client.send(new PutSecretValueCommand({ SecretId, SecretString: "two", ClientRequestToken: v2 }));
    await expect(put()).rejects.toThrow();
    expect(await stages()).toEqual({ [v1]: ["AWSCURRENT"] });
    await expect(put()).rejects.toThrow();
    expect(await stages()).toEqual({ [v1]: ["AWSPREVIOUS"], [v2]: ["AWSCURRENT"] });
  });

  it("replaces the stand-in's answer", async () => {
    await server.close();
    await start({
      fault: () => ({
        status: 400,
        body: JSON.stringify({ __type: "ThrottlingException", message: "Slow" }),
      }),
    });
    await expect(client.send(new GetSecretValueCommand({ SecretId }))).rejects.toMatchObject({
      name: "ThrottlingException",
    });
  });
});
