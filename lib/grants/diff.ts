import { hasWildcard } from "./arn-like.ts";
import { coversGrant } from "./conditions.ts";
import { groupBy } from "./group-by.ts";
import { coversMethods } from "./methods.ts";
import {
  type Grant,
  MAX_TTL_SECONDS,
  METHOD_TTL_SECONDS,
  type Policy,
  type PrincipalPattern,
  type ServiceAccount,
} from "./policy.ts";
import { formatTime } from "./until.ts";

/** Who gains or loses what between two policies. */
export interface Difference {
  readonly change: Change;
  /** True if someone may do more than before. */
  readonly isGain: boolean;
  /** The principals. Absent for a change of the service account itself. */
  readonly pattern?: PrincipalPattern;
  readonly principalOrgId?: string;
  readonly serviceAccount: string;
  /** For people: `300 s → 900 s`. */
  readonly detail: string;
  /** The line that does it: of the new file for a gain, of the old one for a loss. */
  readonly source: string;
}

export type Change =
  | "gained"
  | "lost"
  | "longer"
  | "shorter"
  | "later"
  | "sooner"
  | "more child accounts"
  | "fewer child accounts"
  | "more methods"
  | "fewer methods"
  | "changed";

/** One grant reduced to one principal and one service account, with the lifetime that it really gives. */
type Rule = Grant & {
  readonly principals: readonly [PrincipalPattern];
  readonly serviceAccounts: readonly [string];
};

/**
 * Compares two policies by meaning. A rule of one that no rule of the other covers is a difference.
 * So every request whose decision differs is within one of the differences, and where there are
 * none, no decision differs. The order of the files plays no part.
 */
export function diffPolicies(before: Policy, after: Policy): Difference[] {
  const [old, recent] = [rulesOf(before), rulesOf(after)];
  return [
    ...uncovered(recent, old).flatMap((rule) => differences(rule, sameSubject(rule, old), gains)),
    ...uncovered(old, recent).flatMap((rule) => differences(rule, sameSubject(rule, recent), losses)),
    ...accountChanges(before, after),
  ].sort(byImportance);
}

interface Rules {
  readonly all: readonly Rule[];
  /** By service account and ARN. */
  readonly exact: ReadonlyMap<string, readonly Rule[]>;
  /** By service account: those whose principal has a wildcard. */
  readonly wildcards: ReadonlyMap<string, readonly Rule[]>;
}

function rulesOf({ serviceAccounts, grants }: Policy): Rules {
  const accounts = new Map(serviceAccounts.map((account) => [account.name, account]));
  const all = grants.flatMap((grant) =>
    grant.serviceAccounts.flatMap((name) => {
      const account = accounts.get(name);
      return account ? grant.principals.map((pattern) => ruleOf(grant, pattern, account)) : [];
    }),
  );
  return {
    all,
    exact: groupBy(all, keyOf),
    wildcards: groupBy(
      all.filter(({ principals: [{ arn }] }) => hasWildcard(arn)),
      ({ serviceAccounts: [name] }) => name,
    ),
  };
}

function ruleOf(grant: Grant, pattern: PrincipalPattern, account: ServiceAccount): Rule {
  const most = grant.methods ? METHOD_TTL_SECONDS : MAX_TTL_SECONDS;
  const maxTtlSeconds = Math.min(grant.maxTtlSeconds, account.maxTtlSeconds, most);
  return { ...grant, principals: [pattern], serviceAccounts: [account.name], maxTtlSeconds };
}

const keyOf = ({ principals: [{ arn }], serviceAccounts: [name] }: Rule) => `${name} ${arn}`;

/** The rules of one side that no single rule of the other side covers. */
function uncovered(rules: Rules, others: Rules): Rule[] {
  return rules.all.filter(
    (rule) =>
      ![
        ...(others.exact.get(keyOf(rule)) ?? []),
        ...(others.wildcards.get(rule.serviceAccounts[0]) ?? []),
      ].some((other) => coversGrant(other, rule)),
  );
}

/** The rules of the other side for the same principal and service account, and of the same kind. */
function sameSubject(rule: Rule, others: Rules): readonly Rule[] {
  const [{ uniqueId }] = rule.principals;
  return (others.exact.get(keyOf(rule)) ?? []).filter(
    (other) =>
      other.principals[0].uniqueId === uniqueId &&
      other.principalOrgId === rule.principalOrgId &&
      (other.methods === undefined) === (rule.methods === undefined),
  );
}

interface Direction {
  readonly isGain: boolean;
  readonly whole: Change;
  readonly lifetime: Change;
  readonly end: Change;
  readonly children: Change;
  readonly methods: Change;
  /** `from → to`, where `rule` is the side that has more. */
  readonly arrow: (rule: string, other: string) => string;
}

const gains: Direction = {
  isGain: true,
  whole: "gained",
  lifetime: "longer",
  end: "later",
  children: "more child accounts",
  methods: "more methods",
  arrow: (rule, other) => `${other} → ${rule}`,
};
const losses: Direction = {
  isGain: false,
  whole: "lost",
  lifetime: "shorter",
  end: "sooner",
  children: "fewer child accounts",
  methods: "fewer methods",
  arrow: (rule, other) => `${rule} → ${other}`,
};

/** What a rule has more of than the nearest rule for the same subject; all of it if there is none. */
function differences(rule: Rule, others: readonly Rule[], direction: Direction): Difference[] {
  const subject = {
    isGain: direction.isGain,
    pattern: rule.principals[0],
    ...(rule.principalOrgId === undefined ? {} : { principalOrgId: rule.principalOrgId }),
    serviceAccount: rule.serviceAccounts[0],
    source: rule.source,
  };
  const [nearest] = others
    .map((other) => surplus(rule, other, direction))
    .sort((a, b) => a.length - b.length);
  const found = nearest ?? [{ change: direction.whole, detail: describe(rule) }];
  return found.map((difference) => ({ ...subject, ...difference }));
}

function surplus(rule: Rule, other: Rule, direction: Direction): Pick<Difference, "change" | "detail">[] {
  const { arrow } = direction;
  const end = ({ until }: Rule) => until ?? Infinity;
  const children = rule.childAccountIds.filter((id) => !other.childAccountIds.includes(id));
  const methods = (rule.methods ?? []).filter(
    (pattern) => other.methods?.some((wide) => coversMethods(wide, pattern)) !== true,
  );
  return [
    ...(rule.maxTtlSeconds > other.maxTtlSeconds
      ? [{ change: direction.lifetime, detail: arrow(`${rule.maxTtlSeconds} s`, `${other.maxTtlSeconds} s`) }]
      : []),
    ...(end(rule) > end(other)
      ? [{ change: direction.end, detail: arrow(describeEnd(rule), describeEnd(other)) }]
      : []),
    ...(children.length > 0 ? [{ change: direction.children, detail: children.join(", ") }] : []),
    ...(methods.length > 0 ? [{ change: direction.methods, detail: methods.join(", ") }] : []),
  ];
}

function describe({ methods, maxTtlSeconds, childAccountIds, until }: Rule): string {
  return [
    methods ? `calls of ${methods.join(", ")}` : `tokens of up to ${maxTtlSeconds} s`,
    ...(childAccountIds.length > 0 ? [`child accounts ${childAccountIds.join(", ")}`] : []),
    ...(until === undefined ? [] : [`until ${formatTime(until)}`]),
  ].join("; ");
}

function describeEnd({ until }: Rule): string {
  return until === undefined ? "no end" : formatTime(until);
}

/** What changes for all tokens of a service account: which key, which account, which claims. */
function accountChanges(before: Policy, after: Policy): Difference[] {
  const old = new Map(before.serviceAccounts.map((account) => [account.name, account]));
  return after.serviceAccounts.flatMap((account) => {
    const earlier = old.get(account.name);
    if (!earlier) return [];
    return (["secret", "accountId", "claims"] as const)
      .filter((field) => account[field] !== earlier[field])
      .map((field): Difference => {
        const detail = `${field}: ${earlier[field] ?? "none"} → ${account[field] ?? "none"}`;
        return { change: "changed", isGain: false, serviceAccount: account.name, detail, source: "" };
      });
  });
}

/** Gains first, then by principal, service account and change. */
function byImportance(a: Difference, b: Difference): number {
  const key = ({ pattern, serviceAccount, change, detail }: Difference) =>
    [pattern?.arn ?? "", pattern?.uniqueId ?? "", serviceAccount, change, detail].join(" ");
  const [left, right] = [key(a), key(b)];
  return Number(b.isGain) - Number(a.isGain) || (left < right ? -1 : Number(left > right));
}
