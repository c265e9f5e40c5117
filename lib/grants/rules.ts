import type { EpochMs } from "../epoch.ts";
import { hasWildcard } from "./arn-like.ts";
import { type Candidate, coversCallers, coversRequests, isOver, secondsLeft } from "./conditions.ts";
import { groupBy } from "./group-by.ts";
import {
  type Grant,
  MAX_TTL_SECONDS,
  METHOD_TTL_SECONDS,
  type Policy,
  type PrincipalPattern,
} from "./policy.ts";

/** A pattern of principals, with the conditions of its grant for who may use it. */
export interface Callers {
  readonly arn: string;
  readonly uniqueId?: string;
  readonly principalOrgId?: string;
}

/**
 * One thing that one principal of one grant gives: tokens or calls of one method, of one account of
 * one service account. What a policy gives is the sum of its rules.
 */
export interface Rule {
  /**
   * A grant of this one thing. Its maximum is the longest lifetime that it can still give, by the
   * service account's maximum and by the time that is left.
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
  /** Without regard to the end. */
  readonly maxTtlSeconds: number;
  /** Infinity if it does not end. */
  readonly until: number;
  /** The grant as it stands in the file, and where. */
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
  return {
    arn: pattern.arn,
    ...(pattern.uniqueId === undefined ? {} : { uniqueId: pattern.uniqueId }),
    ...(grant.principalOrgId === undefined ? {} : { principalOrgId: grant.principalOrgId }),
  };
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
  /** Rules that are for all callers that a rule of either policy is for. */
  readonly covering: (rule: Rule) => Rule[];
}

export function indexRules(rules: readonly Rule[]): RuleIndex {
  const byArn = groupBy(rules, ({ candidate }) => candidate.pattern.arn);
  const wildcards = rules.filter(({ candidate }) => hasWildcard(candidate.pattern.arn));
  const forCallersOf = (rule: Rule): Rule[] => {
    const { arn } = rule.candidate.pattern;
    // Without a wildcard, an ARN covers itself alone.
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
 * Rules of one policy that no single rule of another covers. If a request gets more from one policy
 * than from another, then it fits one of these: the rule that decides it in the first policy. If a
 * rule of the other policy covered that one, the request would get as much there.
 */
export function uncovered({ rules }: RuleIndex, { covering }: RuleIndex): Rule[] {
  return rules.filter(
    (rule) => !covering(rule).some((other) => coversRequests(other.candidate, rule.candidate)),
  );
}
