import { inspect } from "node:util";

import { afterEach, describe, expect, it } from "vitest";

import { fetchFromSecretsManager, SecretUnavailableError } from "../../lib/keys/fetch-secret.ts";
import type { FaultInjector } from "../../local/fault.ts";
import { type SecretsManager, startSecretsManager } from "../../local/secrets-manager/server.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

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
    region: "us-east-1",
    credentials: { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "example" },
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

  it("is abandoned at the deadline if the server does not answer or requires a longer wait", async () => {
    const hanging = await fetchFrom(() => ({ delayMs: 60_000 }));
    expect(await failureOf(hanging("voximplant/outbound-calls"))).toMatchObject({ withdrawn: false });
    await server?.close();

    const patient = await fetchFrom(() => ({ status: 503, body: "{}", headers: { "Retry-After": "3600" } }));
    expect(await failureOf(patient("voximplant/outbound-calls"))).toMatchObject({ withdrawn: false });
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
