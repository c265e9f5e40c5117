import type { EpochMs } from "../epoch.ts";
import type { Policy } from "../grants/policy.ts";
import { type ClassifiedKey, retireAt } from "../key-lifecycle/classify-keys.ts";
import { roleNames } from "../key-lifecycle/roles.ts";
import type { Finding } from "./finding.ts";

/** What to do about a key. */
interface Decision {
  readonly finding: Omit<Finding, "action">;
  readonly remove: boolean;
}

export interface DecisionContext {
  readonly policy: Policy;
  /** The service account that a finding names if the key belongs to no secret. */
  readonly reporter: string;
  /** The service accounts whose key belongs to this Voximplant account. */
  readonly members: readonly string[];
  readonly now: EpochMs;
}

/**
 * Decides what to do about a key. Undefined: nothing. A key is deleted only if a secret holds it,
 * if its name is one that this project gives, or if grants.yml says so.
 *
 * | state        | what happens                                                         |
 * | ------------ | -------------------------------------------------------------------- |
 * | current      | nothing; check-roles.ts compares its roles                           |
 * | pending      | nothing; a rotation is under way                                     |
 * | superseded   | deleted after its grace                                              |
 * | stray        | reported; deleted after its grace                                    |
 * | orphan       | deleted                                                              |
 * | unmanaged    | nothing                                                              |
 * | unknown      | reported; deleted if every service account of the account says so    |
 * | undetermined | reported, never deleted                                              |
 */
export function decide({ key, state }: ClassifiedKey, context: DecisionContext): Decision | undefined {
  const isOver = retireAt(state) <= context.now;
  const decision = (reason: Finding["reason"], remove: boolean, detail: string): Decision => {
    const serviceAccount = "serviceAccount" in state ? state.serviceAccount : context.reporter;
    return { finding: { reason, serviceAccount, key, detail }, remove };
  };
  switch (state.state) {
    case "current":
    case "pending":
    case "unmanaged":
      return undefined;
    case "superseded":
      if (!isOver) return undefined;
      return decision(
        "superseded_key",
        true,
        "The key is superseded and its grace is over: no container and no valid token uses it any more.",
      );
    case "stray":
      return decision(
        "stray_key",
        isOver,
        "The key has a name that only rotation, revocation and bootstrap give, but no version of the secret holds it. " +
          "Either one of them was interrupted, or someone who knows such a name created the key. It is deleted after " +
          "the grace: docs/runbook.md#orphan-keys.",
      );
    case "orphan":
      return decision(
        "orphan_key",
        true,
        "A rotation created this key and was then interrupted. Its private key is lost, so the key has no use.",
      );
    case "unknown":
      return decision(
        "unknown_key",
        mayDeleteUnknown(context),
        `No secret holds this key. Its roles: ${roleNames(key.roles ?? [])}. If someone uses it on purpose, list it ` +
          "under unmanagedKeys in grants.yml. Otherwise delete it, and find out who created it: " +
          "docs/runbook.md#unknown-keys.",
      );
    case "undetermined":
      return decision(
        "undetermined_key",
        false,
        "No readable secret holds this key, but a secret that cannot be read may hold it. Do not delete the key until " +
          "every secret can be read. The other findings say which secret cannot be read.",
      );
  }
}

/** Whether every service account of this Voximplant account has `unknownKeys: delete`. */
function mayDeleteUnknown({ policy, members }: DecisionContext): boolean {
  const accounts = policy.serviceAccounts.filter(({ name }) => members.includes(name));
  return accounts.length > 0 && accounts.every(({ unknownKeys }) => unknownKeys === "delete");
}
