import type { EpochMs } from "../epoch.ts";
import { hasWildcard } from "./arn-like.ts";
import {
  type CallerCondition,
  type Candidate,
  coversCallers,
  coversRequests,
  isOver,
  secondsLeft,
} from "./conditions.ts";
import { groupBy } from "./group-by.ts";
import {
  type Grant,
  MAX_TTL_SECONDS,
  METHOD_TTL_SECONDS,
  type Policy,
  type PrincipalPattern,
} from "./policy.ts";

/**
 * A pattern of principals, with all conditions of the grant about the caller. No field is optional,
 * so a new condition does not compile until `callersOf` sets its field. Without the field, the diff
 * would treat rules for different callers as equal, and could miss that a caller gains access.
 */
export type Callers = { readonly [Name in CallerCondition]: (Grant & PrincipalPattern)[Name] };

/**
 * What a grant gives to one of its principals, for one account of one of its service accounts:
 * tokens, or calls of the methods that match one pattern. What a policy gives is the sum of its
 * rules.
 */
export interface Rule {
  /**
   * A grant that gives only this rule. Its `maxTtlSeconds` is the longest lifetime that is still
   * possible: it respects the service account's maximum and the time until the grant ends.
   */
  readonly candidate: Candidate;
  readonly callers: Callers;
  /** Equal for rules that are for the same callers. */
  readonly callersId: string;
  readonly serviceAccount: string;
  /** A child account; undefined for the key's own account. */
  readonly accountId: number | undefined;
  /** A pattern; undefined for tokens. */
  readonly method: string | undefined;
  /** The longest lifetime, without regard to `until`. */
  readonly maxTtlSeconds: number;
  /** Infinity if it does not end. */
  readonly until: number;
  /** The grant as it stands in the file. `at` holds the indexes into the lists of the file. */
  readonly grant: Grant;
  readonly at: { readonly grant: number; readonly principal: number; readonly serviceAccount: number };
}

/** The rules of a policy that are not over. */
export function rulesOf({ serviceAccounts, grants }: Policy, now: EpochMs): Rule[] {
  const maxima = new Map(serviceAccounts.map(({ name, maxTtlSeconds }) => [name, maxTtlSeconds]));
  return grants.flatMap((grant, i) => {
    if (isOver(grant, now)) return [];
    const accountIds = [undefined, ...grant.childAccountIds];
    const methods = grant.methods ?? [undefined];
    return grant.principals.flatMap((pattern, principal) => {
      const callers = callersOf(grant, pattern);
      const callersId = JSON.stringify(callers);
      return grant.serviceAccounts.flatMap((name, serviceAccount) => {
        const at = { grant: i, principal, serviceAccount };
        const limits = [grant.maxTtlSeconds, maxima.get(name) ?? 0, MAX_TTL_SECONDS];
        return accountIds.flatMap((accountId) =>
          methods.map((method) => {
            const maxTtlSeconds = Math.min(...limits, ...(method === undefined ? [] : [METHOD_TTL_SECONDS]));
            const what = { serviceAccount: name, accountId, method, maxTtlSeconds };
            return ruleOf({ grant, pattern, callers, callersId, at, ...what }, now);
          }),
        );
      });
    });
  });
}

function callersOf(grant: Grant, pattern: PrincipalPattern): Callers {
  return { arn: pattern.arn, uniqueId: pattern.uniqueId, principalOrgId: grant.principalOrgId };
}

function ruleOf(
  { pattern, ...rule }: Omit<Rule, "candidate" | "until"> & { readonly pattern: PrincipalPattern },
  now: EpochMs,
): Rule {
  const { grant, serviceAccount, accountId, method, maxTtlSeconds } = rule;
  const one: Grant = {
    ...grant,
    principals: [pattern],
    serviceAccounts: [serviceAccount],
    childAccountIds: accountId === undefined ? [] : [accountId],
    ...(method === undefined ? {} : { methods: [method] }),
    maxTtlSeconds: Math.min(maxTtlSeconds, secondsLeft(grant, now)),
  };
  return { ...rule, until: grant.until ?? Infinity, candidate: { grant: one, pattern } };
}

/** The rules of one policy, to look up those that are for certain callers. */
export interface RuleIndex {
  readonly rules: readonly Rule[];
  /**
   * The rules of this policy that are for the service account of `rule` and for all of its callers.
   * `rule` may be a rule of this policy or of the other one.
   */
  readonly covering: (rule: Rule) => Rule[];
}

export function indexRules(rules: readonly Rule[]): RuleIndex {
  const byArn = groupBy(rules, ({ candidate }) => candidate.pattern.arn);
  const wildcards = rules.filter(({ candidate }) => hasWildcard(candidate.pattern.arn));
  const forCallersOf = (rule: Rule): Rule[] => {
    const { arn } = rule.candidate.pattern;
    // An ARN without a wildcard covers only itself, so it covers no pattern with a wildcard.
    const near = hasWildcard(arn) ? wildcards : [...(byArn.get(arn) ?? []), ...wildcards];
    return near.filter((other) => coversCallers(other.candidate, rule.candidate));
  };
  // A grant of many methods and accounts has many rules for the same callers.
  const known = new Map<string, Rule[]>();
  return {
    rules,
    covering: (rule) => {
      const wide = known.get(rule.callersId) ?? forCallersOf(rule);
      known.set(rule.callersId, wide);
      return wide.filter(({ serviceAccount }) => serviceAccount === rule.serviceAccount);
    },
  };
}

/**
 * Rules of the first policy that no single rule of the second policy covers. Every request that
 * gets more from the first policy than from the second gets it through one of these rules: if a
 * rule of the second policy covered the rule that the request uses, the request would get at least
 * as much from the second policy.
 */
export function uncovered({ rules }: RuleIndex, { covering }: RuleIndex): Rule[] {
  return rules.filter(
    (rule) => !covering(rule).some((other) => coversRequests(other.candidate, rule.candidate)),
  );
}
