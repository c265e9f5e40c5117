import type { EpochMs } from "../epoch.ts";
import { coversCallers } from "./conditions.ts";
import { changesOf, type RuleChange } from "./diff-changes.ts";
import { type AccountChange, serviceAccountChanges } from "./diff-service-accounts.ts";
import { groupBy } from "./group-by.ts";
import type { Policy } from "./policy.ts";
import { type Callers, indexRules, type Rule, type RuleIndex, rulesOf, uncovered } from "./rules.ts";

/** What changes for the callers of one pattern at one service account. */
export interface Difference {
  readonly serviceAccount: string;
  readonly principal: Callers;
  readonly changes: readonly RuleChange[];
  /**
   * If the pattern gains everything: narrower patterns that had something before. If it loses
   * everything: narrower patterns that keep something.
   */
  readonly except: readonly Callers[];
}

export interface PolicyDiff {
  readonly differences: readonly Difference[];
  readonly serviceAccounts: readonly AccountChange[];
}

/**
 * Compares what two policies allow from now on, not their text. Names each pattern of a principal,
 * in either policy, whose callers gain or lose something. Grants that are over give nothing. If the
 * policies decide a request differently, its caller matches a named pattern, and the request is for
 * the service account that is named with this pattern.
 *
 * The reverse does not always hold. If several patterns of one policy together match what one
 * pattern of the other policy matches, this pattern is named although no request differs. Example:
 * `*` in one policy, `?` and `??*` in the other, because a name has at least one letter.
 */
export function diffPolicies(before: Policy, after: Policy, now: EpochMs): PolicyDiff {
  const [old, current] = [indexRules(rulesOf(before, now)), indexRules(rulesOf(after, now))];
  const gains = groupBy(uncovered(current, old), subjectOf);
  const losses = groupBy(uncovered(old, current), subjectOf);
  const currentBySubject = groupBy(current.rules, subjectOf);
  const [knewCallers, knowsCallers] = [
    new Set(old.rules.map(({ callersId }) => callersId)),
    new Set(current.rules.map(({ callersId }) => callersId)),
  ];

  const subjects = [...new Set([...gains.keys(), ...losses.keys()])];
  const differences = subjects.map((subject): Difference => {
    const [gained, lost] = [gains.get(subject) ?? [], losses.get(subject) ?? []];
    const [rule] = [...gained, ...lost];
    if (!rule) throw new Error("a difference has a rule");
    const [was, is] = [old.covering(rule), current.covering(rule)];
    return {
      serviceAccount: rule.serviceAccount,
      principal: rule.callers,
      changes: changesOf({
        gains: gained,
        losses: lost,
        was,
        is,
        successors: currentBySubject.get(subject) ?? [],
        knewCallers: knewCallers.has(rule.callersId),
        knowsCallers: knowsCallers.has(rule.callersId),
      }),
      except: was.length > 0 && is.length > 0 ? [] : narrower(rule, was.length > 0 ? current : old),
    };
  });
  return {
    differences: differences.sort(byName),
    serviceAccounts: serviceAccountChanges(
      before,
      after,
      new Set(current.rules.map((r) => r.serviceAccount)),
    ),
  };
}

/** Whether anybody gets more than before. */
export function hasGain({ differences, serviceAccounts }: PolicyDiff): boolean {
  return (
    differences.some(({ changes }) => changes.some(({ gain }) => gain)) ||
    serviceAccounts.some(({ gain }) => gain)
  );
}

function subjectOf({ serviceAccount, callersId }: Rule): string {
  return `${serviceAccount} ${callersId}`;
}

/** Patterns of one policy that match only callers of a rule, at the same service account. */
function narrower(rule: Rule, { rules }: RuleIndex): Callers[] {
  const within = rules.filter(
    (other) => other.serviceAccount === rule.serviceAccount && coversCallers(rule.candidate, other.candidate),
  );
  const byCallers = new Map(within.map((other) => [other.callersId, other.callers]));
  return [...byCallers].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, callers]) => callers);
}

function byName(a: Difference, b: Difference): number {
  const key = ({ serviceAccount, principal }: Difference) => JSON.stringify([serviceAccount, principal]);
  return key(a) < key(b) ? -1 : 1;
}
