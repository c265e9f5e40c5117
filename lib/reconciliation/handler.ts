import * as z from "zod/mini";

import type { WriteLine } from "../audit/log.ts";
import type { Policy, ServiceAccount } from "../grants/policy.ts";
import { acceptRoles } from "./check-roles.ts";
import { type Finding, isFailure } from "./finding.ts";
import { listKeys, type ListedKey } from "./list-keys.ts";
import { reconcileKeys } from "./reconcile-keys.ts";
import { reportFindings } from "./report.ts";
import type { SurveyPorts } from "../key-lifecycle/survey.ts";

export interface ReconciliationHandlerOptions extends SurveyPorts {
  readonly policy: Policy;
  readonly writeLine: WriteLine;
}

/** The schedule sends an event without `command`; `voxtoken admin` sends one of these. */
const Command = z.discriminatedUnion("command", [
  z.object({ command: z.literal("list-keys") }),
  z.object({ command: z.literal("retire-superseded"), serviceAccount: z.string() }),
  z.object({ command: z.literal("accept-roles"), serviceAccount: z.string() }),
]);

export type ReconciliationCommand = z.infer<typeof Command>;

export type ReconciliationAnswer =
  | { readonly keys: readonly ListedKey[] }
  | { readonly findings: readonly Finding[] }
  /** Names of the roles that are written down now. */
  | { readonly acceptedRoles: readonly string[] };

/**
 * The Lambda handler: looks, mends, reports. Run by the schedule, it throws in the end where something could not be examined
 * or deleted, so that the function's own error metric tells of it too.
 */
export function createReconciliationHandler(
  options: ReconciliationHandlerOptions,
): (event: unknown) => Promise<ReconciliationAnswer> {
  const { policy } = options;
  return async (event) => {
    const command = readCommand(event);
    switch (command?.command) {
      case "list-keys":
        return { keys: await listKeys(options, policy) };
      case "accept-roles": {
        const roles = await acceptRoles(options, serviceAccountOf(policy, command.serviceAccount));
        return { acceptedRoles: roles.map(({ role_name }) => role_name) };
      }
      case "retire-superseded": {
        const { name } = serviceAccountOf(policy, command.serviceAccount);
        return { findings: await reconcile(options, name) };
      }
      case undefined: {
        const findings = await reconcile(options);
        const failed = findings.filter(isFailure);
        if (failed.length === 0) return { findings };
        throw new Error(failed.map(({ serviceAccount, detail }) => `${serviceAccount}: ${detail}`).join(" "));
      }
    }
  };
}

async function reconcile(options: ReconciliationHandlerOptions, retireNow?: string): Promise<Finding[]> {
  const { policy, writeLine, now } = options;
  const findings = await reconcileKeys(options, policy, { retireNow });
  const names = policy.serviceAccounts.map(({ name }) => name);
  reportFindings(writeLine, names, findings, now());
  return findings;
}

function serviceAccountOf(policy: Policy, name: string): ServiceAccount {
  const found = policy.serviceAccounts.find((serviceAccount) => serviceAccount.name === name);
  if (found === undefined) throw new Error(`There is no service account ${name} in grants.yml.`);
  return found;
}

function readCommand(event: unknown): ReconciliationCommand | undefined {
  if (typeof event !== "object" || event === null || !("command" in event)) return undefined;
  const parsed = Command.safeParse(event);
  if (parsed.success) return parsed.data;
  throw new Error("Known commands: list-keys; retire-superseded and accept-roles, with a serviceAccount.");
}
