import * as z from "zod/mini";

import type { WriteLine } from "../audit/log.ts";
import type { Policy, ServiceAccount } from "../grants/policy.ts";
import { parseCredentials } from "../keys/credentials-file.ts";
import type { SnapshotPorts } from "../key-lifecycle/take-snapshot.ts";
import { acceptRoles } from "./check-roles.ts";
import { type Finding, isFailure } from "./finding.ts";
import { type KeyList, listKeys } from "./list-keys.ts";
import { reconcileKeys } from "./reconcile-keys.ts";
import { reportFindings, revocationRecord } from "./report.ts";
import { revokeKey, type RevocationPorts, type RevocationReport } from "./revoke.ts";
import { rollBack, type RollbackReport } from "./rollback.ts";

interface ReconciliationHandlerOptions extends SnapshotPorts, RevocationPorts {
  readonly policy: Policy;
  readonly writeLine: WriteLine;
  /** A dimension of the metrics. */
  readonly deployment: string;
}

const serviceAccount = z.string();

/** The schedule sends an event without `command`; `voxtoken admin` sends one of these. */
const Command = z.discriminatedUnion("command", [
  z.object({ command: z.literal("list-keys") }),
  z.object({ command: z.literal("accept-roles"), serviceAccount }),
  z.object({ command: z.literal("current-key"), serviceAccount }),
  z.object({ command: z.literal("rollback"), serviceAccount }),
  z.object({
    command: z.literal("revoke"),
    serviceAccount,
    keyId: z.string().check(z.minLength(1), z.maxLength(128)),
    timeoutSeconds: z.int().check(z.minimum(0), z.maximum(300)),
    deleteFirst: z.boolean(),
    makeRoom: z.optional(z.string()),
  }),
]);

export type ReconciliationCommand = z.infer<typeof Command>;

/** The answer of each command. */
export interface ReconciliationAnswers {
  readonly "list-keys": KeyList;
  /** Names of the roles that are recorded now. */
  readonly "accept-roles": { readonly acceptedRoles: readonly string[] };
  readonly "current-key": { readonly keyId: string | null; readonly accountId: number | null };
  readonly rollback: RollbackReport;
  readonly revoke: RevocationReport;
}

type Answer = ReconciliationAnswers[keyof ReconciliationAnswers] | { readonly findings: readonly Finding[] };

/**
 * The Lambda handler. An event without `command` runs a reconciliation. At the end, the handler
 * throws if something could not be examined or deleted, so that the function's error metric counts
 * the run. Operators send their commands to the handler, because they may not read keys.
 */
export function createReconciliationHandler(
  options: ReconciliationHandlerOptions,
): (event: unknown) => Promise<Answer> {
  const { policy, store, writeLine, deployment, now } = options;
  return async (event) => {
    const command = readCommand(event);
    switch (command?.command) {
      case "list-keys":
        return listKeys(options, policy);
      case "accept-roles": {
        const roles = await acceptRoles(options, serviceAccountOf(policy, command.serviceAccount));
        return { acceptedRoles: roles.map(({ role_name }) => role_name) };
      }
      case "current-key": {
        const version = await store.readCurrent(serviceAccountOf(policy, command.serviceAccount).secret);
        if (version === undefined) return { keyId: null, accountId: null };
        const { keyId, accountId } = parseCredentials(version.value);
        return { keyId, accountId };
      }
      case "rollback":
        return rollBack(options, serviceAccountOf(policy, command.serviceAccount));
      case "revoke": {
        const serviceAccount = serviceAccountOf(policy, command.serviceAccount);
        const report = await revokeKey(options, policy, { ...command, serviceAccount });
        writeLine(revocationRecord(serviceAccount.name, report, now()));
        return report;
      }
      case undefined: {
        const findings = await reconcileKeys(options, policy);
        const names = policy.serviceAccounts.map(({ name }) => name);
        reportFindings(writeLine, names, findings, deployment, now());
        const failed = findings.filter(isFailure);
        if (failed.length === 0) return { findings };
        throw new Error(failed.map(({ serviceAccount, detail }) => `${serviceAccount}: ${detail}`).join(" "));
      }
    }
  };
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
  throw new Error(
    "Known commands: list-keys; accept-roles, current-key, rollback and revoke, with a serviceAccount. " +
      "revoke also takes keyId, timeoutSeconds, deleteFirst and makeRoom.",
  );
}
