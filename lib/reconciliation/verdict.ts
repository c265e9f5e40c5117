import type { Policy } from "../grants/policy.ts";
import { type JudgedKey, retireAt } from "../key-lifecycle/classify-keys.ts";
import { roleNames } from "../key-lifecycle/roles.ts";
import type { Finding } from "./finding.ts";
import type { AccountSurvey, Survey } from "../key-lifecycle/survey.ts";

export interface Verdict {
  readonly finding: Omit<Finding, "action">;
  readonly remove: boolean;
}

export interface Circumstances {
  readonly policy: Policy;
  readonly survey: Survey;
  readonly account: AccountSurvey;
  /** A service account whose superseded keys go at once, whatever still uses them: for a leak. */
  readonly retireNow: string | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** What is to be done about a key; `undefined`: nothing. Deletes only what is provably ours, or what grants.yml says. */
export function judgement({ key, standing }: JudgedKey, circumstances: Circumstances): Verdict | undefined {
  const { account, retireNow, now } = circumstances;
  switch (standing.state) {
    case "current":
    case "pending":
    case "unmanaged":
      return undefined;
    case "superseded": {
      const { serviceAccount } = standing;
      const isOver = retireAt(standing) <= now;
      if (!isOver && serviceAccount !== retireNow) return undefined;
      const detail = isOver
        ? "Superseded, and nothing can use it any more."
        : "Superseded, and retired at once because an operator said so.";
      return { finding: { reason: "superseded_key", serviceAccount, key, detail }, remove: true };
    }
    case "stray": {
      const { serviceAccount } = standing;
      return {
        finding: {
          reason: "stray_key",
          serviceAccount,
          key,
          detail:
            "Bears the name of a key of ours, and is in no version of the secret: left by a rotation that was given up, replaced " +
            "twice within two hours, or made by somebody who has seen our names. It is deleted once nothing of ours can use it.",
        },
        remove: retireAt(standing) <= now || serviceAccount === retireNow,
      };
    }
    case "orphan":
      return {
        finding: {
          reason: "orphan_key",
          serviceAccount: standing.serviceAccount,
          key,
          detail: "Left behind by a rotation that broke off; its private key is lost.",
        },
        remove: true,
      };
    case "unknown":
      return {
        finding: {
          reason: "unknown_key",
          serviceAccount: account.members[0].serviceAccount,
          key,
          detail:
            `Nothing here manages this key; its roles: ${roleNames(key.roles ?? [])}. If somebody uses it on purpose, list ` +
            `it under unmanagedKeys in grants.yml; otherwise delete it, and find out who made it: docs/keys.md.`,
        },
        remove: mayDeleteUnknown(circumstances),
      };
  }
}

/**
 * Only where every service account of this Voximplant account says `delete`, and only when all secrets were read:
 * whatever is unknown could belong to the one that was not.
 */
function mayDeleteUnknown({ policy, survey, account }: Circumstances): boolean {
  if (survey.failures.length > 0) return false;
  return account.members.every(({ serviceAccount }) =>
    policy.serviceAccounts.some(
      ({ name, unknownKeys }) => name === serviceAccount && unknownKeys === "delete",
    ),
  );
}
