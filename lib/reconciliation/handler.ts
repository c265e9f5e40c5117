import * as z from "zod/mini";

import type { WriteLine } from "../audit/log.ts";
import type { Policy } from "../grants/policy.ts";
import type { Finding } from "./finding.ts";
import { listKeys, type ListedKey } from "./list-keys.ts";
import { reconcileKeys } from "./reconcile-keys.ts";
import { reportFindings } from "./report.ts";
import type { SurveyPorts } from "./survey.ts";

export interface ReconciliationHandlerOptions extends SurveyPorts {
  readonly policy: Policy;
  readonly writeLine: WriteLine;
}

/** The schedule sends an event without `command`; `voxtoken admin` sends one with it. */
const Command = z.discriminatedUnion("command", [
  z.object({ command: z.literal("list-keys") }),
  z.object({ command: z.literal("retire-superseded"), serviceAccount: z.string() }),
]);

export type ReconciliationCommand = z.infer<typeof Command>;

export interface ReconciliationAnswer {
  readonly keys?: readonly ListedKey[];
  readonly findings?: readonly Finding[];
}

/**
 * The Lambda handler: looks, mends, reports. Throws in the end where something could not be examined or deleted, so that
 * the function's own error metric tells of it too.
 */
export function createReconciliationHandler(
  options: ReconciliationHandlerOptions,
): (event: unknown) => Promise<ReconciliationAnswer> {
  const { policy, writeLine, now } = options;
  const names = policy.serviceAccounts.map(({ name }) => name);
  return async (event) => {
    const command = readCommand(event);
    if (command?.command === "list-keys") return { keys: await listKeys(options, policy) };
    const retireNow = command?.serviceAccount;
    if (retireNow !== undefined && !names.includes(retireNow))
      throw new Error(`There is no service account ${retireNow} in grants.yml.`);

    const findings = await reconcileKeys(options, policy, { retireNow });
    reportFindings(writeLine, names, findings, now());
    const failed = findings.filter(({ reason, action }) => reason === "not_examined" || action === "failed");
    if (failed.length > 0 && command === undefined)
      throw new Error(failed.map(({ serviceAccount, detail }) => `${serviceAccount}: ${detail}`).join(" "));
    return { findings };
  };
}

function readCommand(event: unknown): ReconciliationCommand | undefined {
  if (typeof event !== "object" || event === null || !("command" in event)) return undefined;
  const parsed = Command.safeParse(event);
  if (parsed.success) return parsed.data;
  throw new Error(
    'Known commands: {"command": "list-keys"} and {"command": "retire-superseded", "serviceAccount": NAME}.',
  );
}
