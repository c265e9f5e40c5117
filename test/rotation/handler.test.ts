import { afterEach, describe, expect, it } from "vitest";

import { createRotationHandler } from "../../lib/rotation/handler.ts";
import { platformFault } from "../../local/voximplant/error.ts";
import { policyFor, startWorld, type World } from "../key-lifecycle/world.ts";
import { expectAuditRecord } from "../fakes/audit-schema.ts";

let world: World;
afterEach(() => world.close());

function start() {
  const lines: string[] = [];
  const handle = createRotationHandler({
    deployment: "vendor-dev",
    ...world.ports,
    policy: policyFor(),
    writeLine: (line) => void lines.push(line),
  });
  const records = () => {
    const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    parsed.forEach(expectAuditRecord);
    return parsed;
  };
  return { handle, records };
}

describe("the rotation function", () => {
  it("writes an audit record of each step", async () => {
    world = await startWorld();
    const { handle, records } = start();
    const events = world.stagePending();
    for (const event of events) await handle(event);
    expect(records()).toMatchObject(
      events.map(({ Step, SecretId, ClientRequestToken }) => ({
        type: "audit",
        outcome: "key_rotation",
        reason: Step,
        service_account: "outbound-calls",
        secret: SecretId,
        secret_version_id: ClientRequestToken,
      })),
    );
  });

  it("counts a failure, reports its reason, and throws, as Secrets Manager expects", async () => {
    world = await startWorld({
      fault: (method) => (method === "CreateKey" ? platformFault(104) : undefined),
    });
    const { handle, records } = start();
    const [event] = world.stagePending();
    await expect(handle(event)).rejects.toThrow("error 104");
    const [record] = records();
    expect(record).toMatchObject({ outcome: "failed", service_account: "outbound-calls", RotationFailed: 1 });
    expect(record?.["detail"]).toContain("error 104");
    expect(record?.["_aws"]).toMatchObject({
      CloudWatchMetrics: [{ Dimensions: [["Deployment"]] }],
    });
  });

  it.each([undefined, {}, { Step: "deleteSecret", SecretId: "s", ClientRequestToken: "t" }])(
    "refuses an event that is not a rotation: %j",
    async (event) => {
      world = await startWorld();
      await expect(start().handle(event)).rejects.toThrow("not an event of a Secrets Manager rotation");
      expect(world.secrets.calls).toEqual([]);
    },
  );
});
