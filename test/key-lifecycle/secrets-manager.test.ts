import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";

import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { afterEach, describe, expect, it, vi } from "vitest";

import { boundedClient, openSecretsManager } from "../../lib/key-lifecycle/secrets-manager.ts";
import type { FaultInjector } from "../../local/fault.ts";
import { createSecretsManager } from "../../local/secrets-manager/in-process.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

const SECRET = "voximplant/outbound-calls";
const access = {
  region: "us-east-1",
  credentials: { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "example" },
};

function openStore(fault?: FaultInjector) {
  const secrets = createSecretsManager({
    secrets: { [SECRET]: "the value" },
    ...(fault && { fault }),
  });
  const client = new SecretsManagerClient({
    ...access,
    maxAttempts: 1,
    requestHandler: secrets.requestHandler,
  });
  return { secrets, store: openSecretsManager(client) };
}

const answerOf = (body: string, status = 200) => ({
  status,
  body,
  headers: { "Content-Type": "application/x-amz-json-1.1" },
});
/** A store whose nth call has the nth of these answers. */
const storeAnswering = (...answers: readonly object[]) =>
  openStore((_, n) => answerOf(JSON.stringify(answers[n - 1]))).store;
/** A store whose every call fails with an error of AWS. */
const storeFailing = (type: string) =>
  openStore(() => answerOf(JSON.stringify({ __type: type, Message: "as AWS words it" }), 400)).store;

describe("the description of a secret", () => {
  it("without the fields that AWS may leave out ends no grace, and has nothing configured", async () => {
    expect(await storeAnswering({}).describe(SECRET)).toEqual({
      arn: SECRET,
      name: SECRET,
      rotationEnabled: undefined,
      rotationDays: undefined,
      lastChangedAt: Number.POSITIVE_INFINITY,
      stages: new Map(),
      replicas: [],
      tags: new Map(),
    });
  });

  it("has its names, labels, last change and tags", async () => {
    const answer = {
      ARN: "arn:aws:secretsmanager:us-east-1:111122223333:secret:x-a1B2c3",
      Name: "x",
      RotationEnabled: false,
      LastChangedDate: 1_795_521_600,
      VersionIdsToStages: { one: ["AWSCURRENT", "AWSPENDING"], other: ["AWSPREVIOUS"] },
      Tags: [{ Key: "team", Value: "telephony" }, { Key: "empty" }, { Value: "nameless" }],
    };
    expect(await storeAnswering(answer).describe(SECRET)).toMatchObject({
      arn: answer.ARN,
      name: "x",
      rotationEnabled: false,
      lastChangedAt: Date.UTC(2026, 10, 24, 12),
      stages: new Map([
        ["one", new Set(["AWSCURRENT", "AWSPENDING"])],
        ["other", new Set(["AWSPREVIOUS"])],
      ]),
      tags: new Map([
        ["team", "telephony"],
        ["empty", ""],
        ["", "nameless"],
      ]),
    });
  });

  it.each([
    ["in sync", { Region: "eu-west-1", Status: "InSync" }, { region: "eu-west-1", inSync: true }],
    [
      "behind, without a problem",
      { Region: "eu-west-1", Status: "InProgress" },
      { region: "eu-west-1", inSync: false },
    ],
    [
      "failed, for AWS's reason",
      { Region: "eu-west-1", Status: "Failed", StatusMessage: "no such key" },
      { region: "eu-west-1", inSync: false, problem: "no such key" },
    ],
    [
      "failed, without a reason",
      { Region: "eu-west-1", Status: "Failed" },
      { region: "eu-west-1", inSync: false, problem: "no reason given" },
    ],
    [
      "in sync, whatever AWS remarks about it",
      { Region: "eu-west-1", Status: "InSync", StatusMessage: "replicated" },
      { region: "eu-west-1", inSync: true },
    ],
    ["not in sync if AWS gives neither region nor status", {}, { region: "?", inSync: false }],
  ])("has a replica as %s", async (_, replica, expected) => {
    const { replicas } = await storeAnswering({ ReplicationStatus: [replica] }).describe(SECRET);
    expect(replicas).toEqual([expected]);
  });

  it.each([
    [{ AutomaticallyAfterDays: 30 }, 30],
    [{ AutomaticallyAfterDays: 30, ScheduleExpression: "rate(7 days)" }, 30],
    [{ ScheduleExpression: "rate(1 day)" }, 1],
    [{ ScheduleExpression: "rate(10 days)" }, 10],
    [{ ScheduleExpression: "rate(1 hour)" }, 1 / 24],
    [{ ScheduleExpression: "rate(12 hours)" }, 0.5],
    [{ ScheduleExpression: "cron(0 8 1 * ? *)" }, undefined],
    [{ ScheduleExpression: "not rate(10 days)" }, undefined],
    [{ ScheduleExpression: "rate(10 days), or so" }, undefined],
    [{ ScheduleExpression: "rate(ten days)" }, undefined],
    [{}, undefined],
  ])("takes the rotation rules %j for a rotation every %s days", async (RotationRules, days) => {
    expect(await storeAnswering({ RotationRules }).describe(SECRET)).toMatchObject({ rotationDays: days });
  });

  it("that does not exist is an error that says so, with AWS's error as its cause", async () => {
    await expect(openStore().store.describe("voximplant/nobody")).rejects.toMatchObject({
      name: "SecretNotFoundError",
      message: "There is no secret voximplant/nobody in this account and region.",
      cause: { name: "ResourceNotFoundException" },
    });
  });

  it("is AWS's own error if AWS refuses it for another reason", async () => {
    await expect(storeFailing("AccessDeniedException").describe(SECRET)).rejects.toMatchObject({
      name: "AccessDeniedException",
    });
  });
});

describe("listVersions", () => {
  it("returns the versions of all pages, with an unknown time as NaN", async () => {
    const store = storeAnswering(
      { Versions: [{ VersionId: "one", CreatedDate: 1_795_521_600 }, { CreatedDate: 1 }], NextToken: "2" },
      { NextToken: "3" },
      { Versions: [{ VersionId: "other" }] },
    );
    expect(await store.listVersions(SECRET)).toEqual([
      { versionId: "one", createdAt: Date.UTC(2026, 10, 24, 12) },
      { versionId: "other", createdAt: Number.NaN },
    ]);
  });
});

describe("readVersion", () => {
  it.each([
    [
      "text, with its time",
      { VersionId: "one", SecretString: "ключ", CreatedDate: 1_795_521_600 },
      { versionId: "one", value: "ключ", createdAt: Date.UTC(2026, 10, 24, 12) },
    ],
    [
      "bytes, as UTF-8",
      { VersionId: "one", SecretBinary: Buffer.from("ключ").toString("base64") },
      { versionId: "one", value: "ключ", createdAt: Number.NaN },
    ],
    ["nothing, as an empty value", {}, { versionId: "", value: "", createdAt: Number.NaN }],
  ])("returns %s", async (_, answer, expected) => {
    expect(await storeAnswering(answer).readVersion(SECRET, "one")).toEqual(expected);
  });

  it("returns nothing for a version that does not exist", async () => {
    expect(await openStore().store.readVersion(SECRET, "v".repeat(32))).toBeUndefined();
  });

  it("throws AWS's error if the version may not be read", async () => {
    await expect(storeFailing("AccessDeniedException").readVersion(SECRET, "one")).rejects.toMatchObject({
      name: "AccessDeniedException",
    });
  });

  it("throws an error without any part of the key if an answer is damaged", async () => {
    const key = rsaPem().split("\n").slice(1, -2).join("");
    const damaged = `{"SecretString": "${key.slice(0, 200)}"${key.slice(200)}"}`;
    const { store } = openStore(() => answerOf(damaged));

    const error: unknown = await store.readVersion(SECRET, "version-1").catch((caught: unknown) => caught);

    expect(error).toMatchObject({ message: "the answer is not JSON" });
    const said = inspect(error, { depth: 10, showHidden: true });
    const runs = Array.from({ length: key.length - 15 }, (_, at) => key.slice(at, at + 16));
    expect(runs.filter((run) => said.includes(run))).toEqual([]);
  });
});

describe("putVersion", () => {
  const versionId = "v".repeat(32);
  const put = (value: string) => ({ secretId: SECRET, versionId, value, stage: "AWSCURRENT" }) as const;

  it("stores a value, and the same value again, and does not replace it by another", async () => {
    const { store } = openStore();
    expect(await store.putVersion(put("one"))).toBe("stored");
    expect(await store.putVersion(put("one"))).toBe("stored");
    expect(await store.putVersion(put("other"))).toBe("taken");
    expect(await store.readCurrent(SECRET)).toMatchObject({ versionId, value: "one" });
  });

  it("throws AWS's error if nothing can be stored", async () => {
    await expect(storeFailing("LimitExceededException").putVersion(put("one"))).rejects.toMatchObject({
      name: "LimitExceededException",
    });
  });
});

describe("a client of Secrets Manager with bounded calls", () => {
  const server = createServer();
  afterEach(() => {
    vi.useRealTimers();
    server.closeAllConnections();
    server.close();
  });

  it("ends an attempt after 5 seconds without an answer", async () => {
    const arrived = once(server, "request");
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const client = boundedClient({ ...access, endpoint: `http://127.0.0.1:${port}`, maxAttempts: 1 });

    let outcome: unknown;
    const described = openSecretsManager(client)
      .describe(SECRET)
      .catch((error: unknown) => {
        outcome = error;
      });
    await arrived;
    await vi.advanceTimersByTimeAsync(4_900);
    expect(outcome).toBeUndefined();
    await vi.advanceTimersByTimeAsync(200);
    await described;
    expect(outcome).toMatchObject({ name: "TimeoutError" });
  });
});
