import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { Readable } from "node:stream";
import { inspect } from "node:util";

import { HttpResponse } from "@smithy/core/protocols";
import { afterEach, describe, expect, it } from "vitest";

import { fetchFromSecretsManager, SecretUnavailableError } from "../../lib/keys/fetch-secret.ts";
import type { FaultInjector } from "../../local/fault.ts";
import { type SecretsManager, startSecretsManager } from "../../local/secrets-manager/server.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

const region = "us-east-1";
const credentials = { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "example" };
const created = new Date("2026-11-24T12:00:00Z");
let server: SecretsManager | undefined;
afterEach(() => server?.close());

async function fetchFrom(fault?: FaultInjector) {
  server = await startSecretsManager({
    secrets: { "voximplant/outbound-calls": "the value" },
    now: () => created,
    ...(fault && { fault }),
  });
  return fetchFromSecretsManager({
    endpoint: server.url,
    region,
    credentials,
  });
}

const fault =
  (type: string, status = 400): FaultInjector =>
  () => ({
    status,
    body: JSON.stringify({ __type: type, Message: "as AWS words it" }),
    headers: { "Content-Type": "application/x-amz-json-1.1" },
  });

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("a secret", () => {
  it("is fetched with the id and the date of its current version", async () => {
    const fetchSecret = await fetchFrom();
    expect(await fetchSecret("voximplant/outbound-calls")).toEqual({
      value: "the value",
      versionId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      createdAt: created.getTime(),
    });
  });

  it("is fetched over a new connection each time, because a kept one may have died", async () => {
    const fetchSecret = await fetchFrom();
    const connections = new Set<unknown>();
    const onStart = (message: unknown) => {
      connections.add((message as { request: { socket: unknown } }).request.socket);
    };
    subscribe("http.server.request.start", onStart);
    for (let n = 0; n < 3; n++) await fetchSecret("voximplant/outbound-calls");
    unsubscribe("http.server.request.start", onStart);
    expect(connections.size).toBe(3);
  });

  it("that does not exist counts as withdrawn, and the error names the secret", async () => {
    const error = await failureOf((await fetchFrom())("voximplant/nobody"));
    expect(error).toBeInstanceOf(SecretUnavailableError);
    expect(error).toMatchObject({
      withdrawn: true,
      message: expect.stringMatching(/voximplant\/nobody.*ResourceNotFound/) as string,
    });
  });

  it.each([
    ["AccessDeniedException", true],
    ["DecryptionFailure", true],
    ["InvalidRequestException", true],
    ["ThrottlingException", false],
  ])("answered with %s causes an error with withdrawn: %s", async (type, withdrawn) => {
    const error = await failureOf((await fetchFrom(fault(type)))("voximplant/outbound-calls"));
    expect(error).toMatchObject({ name: "SecretUnavailableError", withdrawn });
  });

  it("is fetched at most twice if the first attempt fails", async () => {
    const once = await fetchFrom((_, n) => (n === 1 ? { drop: "before" } : undefined));
    expect(await once("voximplant/outbound-calls")).toMatchObject({ value: "the value" });
    await server?.close();

    const never = await fetchFrom(fault("InternalServiceError", 500));
    expect(await failureOf(never("voximplant/outbound-calls"))).toMatchObject({ withdrawn: false });
    expect(server?.calls).toHaveLength(2);
  });

  it("is asked for a second time if the server does not answer, and then abandoned", async () => {
    const hanging = await fetchFrom(() => ({ delayMs: 60_000 }));
    const failure = await failureOf(hanging("voximplant/outbound-calls"));
    expect(failure).toMatchObject({ withdrawn: false, cause: { name: "TimeoutError" } });
    expect(server?.calls).toHaveLength(2);
  });

  it("is abandoned at the deadline if the server requires a longer wait", async () => {
    const patient = await fetchFrom(() => ({ status: 503, body: "{}", headers: { "Retry-After": "3600" } }));
    const failure = await failureOf(patient("voximplant/outbound-calls"));
    expect(failure).toMatchObject({ withdrawn: false, cause: { name: "TimeoutError" } });
    expect(server?.calls).toHaveLength(1);
  });

  it("is absent from the error if the answer is cut off", async () => {
    const key = rsaPem().split("\n").slice(1, -2).join("");
    const body = `{"SecretString": "${key.slice(0, 200)}"${key.slice(200)}"}`;
    const fetchSecret = await fetchFrom(() => ({
      status: 200,
      body,
      headers: { "Content-Type": "application/x-amz-json-1.1" },
    }));
    const error = await failureOf(fetchSecret("voximplant/outbound-calls"));
    expect(error).toMatchObject({
      withdrawn: false,
      message: "secret voximplant/outbound-calls: the answer is not JSON",
    });
    const said = inspect(error, { depth: 10, showHidden: true });
    const runs = Array.from({ length: key.length - 15 }, (_, at) => key.slice(at, at + 16));
    expect(runs.filter((run) => said.includes(run))).toEqual([]);
  });
});

describe("an answer of Secrets Manager", () => {
  const usual = { Name: "voximplant/outbound-calls", SecretString: "the value", VersionId: "version-1" };

  const fetchAnswer = (fields: object) => {
    const body = Readable.from([Buffer.from(JSON.stringify({ ...usual, ...fields }))]);
    const headers = { "content-type": "application/x-amz-json-1.1" };
    const response = new HttpResponse({ statusCode: 200, headers, body });
    const requestHandler = { handle: () => Promise.resolve({ response }) };
    return fetchFromSecretsManager({ region, credentials, requestHandler })("voximplant/outbound-calls");
  };

  it("may lack the name of the secret and the date of the version", async () => {
    const fetched = { value: "the value", versionId: "version-1" };
    expect(await fetchAnswer({ Name: undefined })).toStrictEqual(fetched);
  });

  it("for another secret is refused", async () => {
    await expect(fetchAnswer({ Name: "voximplant/call-history" })).rejects.toMatchObject({
      message: "secret voximplant/outbound-calls: the answer is for another secret",
    });
  });

  it.each([
    ["a text", { SecretString: "text" }, "text"],
    ["bytes", { SecretString: undefined, SecretBinary: Buffer.from("bytes").toString("base64") }, "bytes"],
    ["nothing", { SecretString: undefined }, ""],
  ])("with %s as its value gives this value", async (_, fields, value) => {
    expect(await fetchAnswer(fields)).toMatchObject({ value });
  });

  it.each([
    ["64 characters", "v".repeat(64), "v".repeat(64)],
    ["65 characters", "v".repeat(65), "unknown"],
    ["a line break at its end", "version-1\n", "unknown"],
    ["a line break at its start", "\nversion-1", "unknown"],
    ["no character", "", "unknown"],
    ["no version id", undefined, "unknown"],
  ])("with a version id of %s gives an id that is safe to log", async (_, VersionId, versionId) => {
    expect(await fetchAnswer({ VersionId })).toMatchObject({ versionId });
  });
});

describe("an error of Secrets Manager", () => {
  const key = rsaPem().split("\n").slice(1, -2).join("");
  const named = (name: string, message: string) => Object.assign(new Error(message), { name });

  it.each([
    ["keeps its name", named("ThrottlingException", "Rate exceeded"), "ThrottlingException: Rate exceeded"],
    ["of the plain kind has no name", new Error("socket hang up"), "socket hang up"],
    ["that is no Error is unknown", "text", "an unknown reason"],
    ["shows nothing of a PEM", new Error(`not ${rsaPem()}`), "not [withheld]"],
    ["shows nothing of a PEM's inside", new Error(`not ${key}!`), "not [withheld]!"],
    ["shows up to 31 characters of one kind", new Error(`not ${"k".repeat(31)}`), `not ${"k".repeat(31)}`],
    ["is cut after 500 characters", new Error("no. ".repeat(200)), "no. ".repeat(125)],
  ])("%s", (_, cause, reason) => {
    const error = new SecretUnavailableError("name", cause);
    expect(error.message).toBe(`secret name: ${reason}`);
    expect(error.cause).toBe(cause);
  });
});
