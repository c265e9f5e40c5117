import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { createReconciliationHandler } from "../../lib/reconciliation/handler.ts";
import { rotateKey } from "../../lib/rotation/rotate-key.ts";
import { expectAuditRecord } from "../fakes/audit-schema.ts";
import { ACCOUNT, policyFor, startWorld, type World } from "../key-lifecycle/world.ts";

let world: World;
let lines: string[];
beforeEach(async () => {
  world = await startWorld({ emptySecrets: ["call-history"] });
  lines = [];
});
afterEach(() => world.close());

const policy = policyFor({ "outbound-calls": {}, "call-history": {} });
const key = (label = "AWSCURRENT") => world.keyWith(label) ?? "";
const send = (event: unknown) =>
  createReconciliationHandler({
    ...world.ports,
    policy,
    deployment: "vendor-dev",
    writeLine: (line) => void lines.push(line),
  })(event);
const revocation = (fields: object = {}) => ({
  command: "revoke",
  serviceAccount: "outbound-calls",
  keyId: key(),
  timeoutSeconds: 90,
  deleteFirst: false,
  ...fields,
});

describe("an event without a command", () => {
  it.each<[string, unknown]>([
    ["the schedule's event", { "detail-type": "Scheduled Event", source: "aws.events" }],
    ["an empty event", {}],
    ["null", null],
    ["a text", "list-keys"],
  ])("runs a reconciliation: %s", async (_, event) => {
    expect(await send(event)).toEqual({ findings: [] });
    expect(lines).toHaveLength(2);
  });

  it("fails with every finding that could not be examined", async () => {
    world.faults.secrets = (operation) =>
      operation === "DescribeSecret"
        ? { status: 500, body: '{"__type":"InternalServiceError","message":"broken"}' }
        : undefined;
    await expect(send({})).rejects.toMatchObject({
      message: expect.stringMatching(/^outbound-calls: .*broken.* call-history: .*broken/) as string,
    });
  });
});

describe("a command", () => {
  it("list-keys answers with the keys", async () => {
    expect(await send({ command: "list-keys" })).toMatchObject({
      keys: [{ keyId: key() }, { state: "none" }],
      problems: [],
    });
  });

  it("current-key answers with the key and its account, or with nothing if there is none", async () => {
    const ask = (serviceAccount: string) => send({ command: "current-key", serviceAccount });
    expect(await ask("outbound-calls")).toEqual({ keyId: key(), accountId: ACCOUNT });
    expect(await ask("call-history")).toEqual({ keyId: null, accountId: null });
  });

  it("rollback makes the previous key current", async () => {
    const before = key();
    for (const event of world.stagePending()) await rotateKey(world.ports, policy, event);
    expect(await send({ command: "rollback", serviceAccount: "outbound-calls" })).toMatchObject({
      keyId: before,
    });
    expect(key()).toBe(before);
  });

  it("revoke answers with the report, and writes it as an audit record", async () => {
    const keyId = key();
    const report = await send(revocation());
    expect(report).toMatchObject({ keyId, proved: true });
    const record = JSON.parse(lines[0] ?? "") as object;
    expectAuditRecord(record);
    expect(record).toMatchObject({
      outcome: "key_revoked",
      service_account: "outbound-calls",
      kid: keyId,
      time: new Date(world.clock.now).toISOString(),
    });
    expect(lines).toHaveLength(1);
  });

  it.each(["accept-roles", "current-key", "rollback", "revoke"])(
    "%s is refused for a service account that grants.yml does not have",
    async (command) => {
      await expect(send({ ...revocation(), command, serviceAccount: "billing" })).rejects.toMatchObject({
        message: "There is no service account billing in grants.yml.",
      });
      expect(lines).toEqual([]);
    },
  );

  it.each<[string, object]>([
    ["an unknown name", { command: "delete-everything" }],
    ["a name that is no text", { command: 7 }],
    ["no service account", { command: "rollback" }],
    ["no key id", { keyId: undefined }],
    ["an empty key id", { keyId: "" }],
    ["a key id of 129 characters", { keyId: "k".repeat(129) }],
    ["a timeout below 0", { timeoutSeconds: -1 }],
    ["a timeout over 300 s", { timeoutSeconds: 301 }],
    ["a timeout that is no whole number", { timeoutSeconds: 1.5 }],
    ["no deleteFirst", { deleteFirst: undefined }],
    ["a makeRoom that is no text", { makeRoom: 7 }],
  ])("is refused with the known ones if it has %s", async (_, fields) => {
    const event = "command" in fields ? fields : revocation(fields);
    await expect(send(event)).rejects.toMatchObject({
      message:
        "Known commands: list-keys; accept-roles, current-key, rollback and revoke, with a " +
        "serviceAccount. revoke also takes keyId, timeoutSeconds, deleteFirst and makeRoom.",
    });
    expect(world.platform.calls).toEqual([]);
  });

  it.each([{ timeoutSeconds: 0 }, { timeoutSeconds: 300 }, { keyId: "k".repeat(128) }])(
    "revoke is accepted with %j",
    async (fields) => {
      expect(await send(revocation(fields))).toHaveProperty("steps");
    },
  );
});
