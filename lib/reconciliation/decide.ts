import type { Policy } from "../grants/policy.ts";
import { type ClassifiedKey, retireAt } from "../key-lifecycle/classify-keys.ts";
import { roleNames } from "../key-lifecycle/roles.ts";
import type { Finding } from "./finding.ts";

/** What to do about a key. */
export interface Decision {
  readonly finding: Omit<Finding, "action">;
  readonly remove: boolean;
}

export interface DecisionContext {
  readonly policy: Policy;
  /** A service account of the Voximplant account that lists the key. */
  readonly reporter: string;
  /** Service accounts whose key is of this Voximplant account. */
  readonly members: readonly string[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * What to do about a key; `undefined`: nothing. Deletes only what is provably ours, or what grants.yml says.
 *
 * | state        | what happens                                                                             |
 * | ------------ | ---------------------------------------------------------------------------------------- |
 * | current      | nothing here; its roles are compared with the secret's tag                               |
 * | pending      | nothing; a rotation is under way                                                         |
 * | superseded   | deleted once its grace is over                                                           |
 * | stray        | reported, and deleted as a superseded one is                                             |
 * | orphan       | deleted                                                                                  |
 * | unmanaged    | nothing, ever                                                                            |
 * | unknown      | reported; deleted where every service account of the account says so                     |
 * | undetermined | reported, never deleted                                                                  |
 */
export function decide({ key, state }: ClassifiedKey, context: DecisionContext): Decision | undefined {
  const { reporter, now } = context;
  const isOver = retireAt(state) <= now;
  switch (state.state) {
    case "current":
    case "pending":
    case "unmanaged":
      return undefined;
    case "superseded":
      if (!isOver) return undefined;
      return {
        finding: {
          reason: "superseded_key",
          serviceAccount: state.serviceAccount,
          key,
          detail: "Superseded, and no container and no token can use it any more.",
        },
        remove: true,
      };
    case "stray":
      return {
        finding: {
          reason: "stray_key",
          serviceAccount: state.serviceAccount,
          key,
          detail:
            "Has one of our key names but is in no version of the secret: left by a rotation or a revocation that broke off, " +
            "or made by someone who has seen our names. It is deleted once no container and no token can use it.",
        },
        remove: isOver,
      };
    case "orphan":
      return {
        finding: {
          reason: "orphan_key",
          serviceAccount: state.serviceAccount,
          key,
          detail: "Left by a rotation that broke off. Its private key is lost.",
        },
        remove: true,
      };
    case "unknown":
      return {
        finding: {
          reason: "unknown_key",
          serviceAccount: reporter,
          key,
          detail:
            `No secret holds this key. Its roles: ${roleNames(key.roles ?? [])}. If someone uses it on purpose, list it ` +
            "under unmanagedKeys in grants.yml. Otherwise delete it, and find out who made it: docs/runbook.md#unknown-keys.",
        },
        remove: mayDeleteUnknown(context),
      };
    case "undetermined":
      return {
        finding: {
          reason: "undetermined_key",
          serviceAccount: reporter,
          key,
          detail:
            "No secret that could be read holds this key. It may be in one that could not be read: do not delete it " +
            "before that works again. The other findings name what could not be read.",
        },
        remove: false,
      };
  }
}

/** Only where every service account of this Voximplant account says `delete`. */
function mayDeleteUnknown({ policy, members }: DecisionContext): boolean {
  const accounts = policy.serviceAccounts.filter(({ name }) => members.includes(name));
  return accounts.length > 0 && accounts.every(({ unknownKeys }) => unknownKeys === "delete");
}
