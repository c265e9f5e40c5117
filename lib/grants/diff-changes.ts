import type { CallerCondition, conditions } from "./conditions.ts";
import { coversMethods } from "./methods.ts";
import type { Rule } from "./rules.ts";
import type { Path } from "./yaml-value.ts";

export type ChangeKind =
  | "gained"
  | "lost"
  | "longer"
  | "shorter"
  | "later"
  | "sooner"
  | "more child accounts"
  | "fewer child accounts"
  | "more methods"
  | "fewer methods";

/** One change for the callers of one pattern at one service account. */
export interface RuleChange {
  readonly kind: ChangeKind;
  readonly gain: boolean;
  /** Undefined in the list stands for the key's own account. */
  readonly accountIds: readonly (number | undefined)[];
  /** Patterns of methods; empty for tokens. */
  readonly methods: readonly string[];
  /** For `longer` and `shorter`: seconds. For `later` and `sooner`: milliseconds, or Infinity. */
  readonly from?: number;
  readonly to?: number;
  /**
   * `maxTtlSeconds` is the longest lifetime of what is gained or lost, in seconds. `until` is its
   * latest end, or Infinity if it does not end.
   */
  readonly maxTtlSeconds: number;
  readonly until: number;
  /** The place in the file that causes the change. */
  readonly place: Place;
}

export interface Place {
  readonly side: "old" | "new";
  readonly path: Path;
}

/** What is known of the callers of one pattern at one service account. */
export interface Comparison {
  /**
   * Gains: the new rules of exactly this pattern that the old policy does not cover. Losses: the
   * old rules of exactly this pattern that the new policy does not cover.
   */
  readonly gains: readonly Rule[];
  readonly losses: readonly Rule[];
  /**
   * All rules whose pattern covers these callers, also those of a wider pattern: `was` before the
   * change, `is` after it.
   */
  readonly was: readonly Rule[];
  readonly is: readonly Rule[];
  /**
   * The rules of exactly this pattern after the change. If something is lost, but not all, the loss
   * is reported at the place of one of these rules.
   */
  readonly successors: readonly Rule[];
  /**
   * Whether a policy has a rule for exactly this pattern, at any service account: `knewCallers` for
   * the old policy, `knowsCallers` for the new one.
   */
  readonly knewCallers: boolean;
  readonly knowsCallers: boolean;
}

export function changesOf(comparison: Comparison): RuleChange[] {
  const { gains, losses, was, is, successors, knewCallers, knowsCallers } = comparison;
  return joined([
    ...gains.flatMap((rule) =>
      compare(rule, was).map((change) => ({
        ...change,
        ...wording(change.what, true),
        place: placeOf("new", rule, change, knewCallers),
      })),
    ),
    ...losses.flatMap((rule) =>
      compare(rule, is).map(({ from, to, ...change }) => {
        // If a grant still names these callers, it was edited: the place is in the new file.
        // Otherwise a line was removed: the place is in the old file.
        const successor = successors.find(
          ({ method }) => (method === undefined) === (rule.method === undefined),
        );
        return {
          ...change,
          ...(from === undefined ? {} : { to: from }),
          ...(to === undefined ? {} : { from: to }),
          ...wording(change.what, false),
          place:
            successor && change.what !== "all"
              ? placeOf("new", successor, { ...change, nearest: rule }, true)
              : placeOf("old", rule, change, knowsCallers),
        };
      }),
    ),
  ]);
}

/** What one rule gives and the rules of the other policy do not give. */
interface Excess {
  /**
   * The condition that differs. Never the service account: only rules for the same one are
   * compared.
   */
  readonly what: "all" | Exclude<keyof typeof conditions, CallerCondition | "serviceAccounts">;
  readonly rule: Rule;
  /** `from` is the value in the other policy, `to` is the value in the rule. */
  readonly from?: number;
  readonly to?: number;
  /** The rule of the other policy that comes nearest. */
  readonly nearest?: Rule;
}

/**
 * Compares a rule with those rules of the other policy that are for its callers. None of them
 * covers the rule, so at least one condition differs. If this function finds none, it throws: a
 * condition that `conditions` has is not compared here, so the diff would miss a gain.
 */
function compare(rule: Rule, others: readonly Rule[]): readonly Excess[] {
  if (others.length === 0) return [{ what: "all", rule }];
  const ofKind = others.filter((other) => givesSame(other, rule));
  if (ofKind.length === 0) return [{ what: rule.method === undefined ? "all" : "methods", rule }];
  const same = ofKind.filter(({ accountId }) => accountId === rule.accountId);
  if (same.length === 0) return [{ what: "childAccountIds", rule }];

  const lasting = same.filter(({ until }) => until >= rule.until);
  const longest = best(lasting.length > 0 ? lasting : same, ({ maxTtlSeconds }) => maxTtlSeconds);
  const latest = best(same, ({ until }) => until);
  const excesses: Excess[] = [];
  if (longest.maxTtlSeconds < rule.maxTtlSeconds) {
    const [from, to] = [longest.maxTtlSeconds, rule.maxTtlSeconds];
    excesses.push({ what: "maxTtlSeconds", rule, from, to, nearest: longest });
  }
  if (latest.until < rule.until) {
    excesses.push({ what: "until", rule, from: latest.until, to: rule.until, nearest: latest });
  }
  if (excesses.length === 0) {
    throw new Error(`a fault of this program: ${rule.grant.source} gives more, but no condition differs`);
  }
  return excesses;
}

/** Whether both rules give tokens, or the first gives calls of all methods of the second. */
function givesSame({ method: wide }: Rule, { method: narrow }: Rule): boolean {
  if (wide === undefined || narrow === undefined) return wide === narrow;
  return coversMethods(wide, narrow);
}

function best(rules: readonly Rule[], valueOf: (rule: Rule) => number): Rule {
  return rules.reduce((a, b) => (valueOf(b) > valueOf(a) ? b : a));
}

const kinds = {
  all: ["gained", "lost"],
  methods: ["more methods", "fewer methods"],
  childAccountIds: ["more child accounts", "fewer child accounts"],
  maxTtlSeconds: ["longer", "shorter"],
  until: ["later", "sooner"],
} as const satisfies Record<Excess["what"], readonly [ChangeKind, ChangeKind]>;

function wording(what: Excess["what"], gain: boolean): { readonly kind: ChangeKind; readonly gain: boolean } {
  return { kind: kinds[what][gain ? 0 : 1], gain };
}

/** @param known whether the other policy has any rule for exactly these callers */
function placeOf(side: Place["side"], rule: Rule, { what, nearest }: Excess, known: boolean): Place {
  const { grant, principal, serviceAccount } = rule.at;
  const of = (...path: Path): Place => ({ side, path: ["grants", grant, ...path] });
  switch (what) {
    case "all":
      return known ? of("serviceAccounts", serviceAccount) : of("principals", principal);
    case "methods":
    case "childAccountIds":
    case "until":
      return of(what);
    case "maxTtlSeconds":
      // If the grants say the same, the service account's own maximum has changed.
      return nearest?.grant.maxTtlSeconds === rule.grant.maxTtlSeconds
        ? { side, path: ["serviceAccounts", rule.serviceAccount, "maxTtlSeconds"] }
        : of("maxTtlSeconds");
  }
}

type Single = Pick<RuleChange, "kind" | "gain" | "place"> & Pick<Excess, "what" | "rule" | "from" | "to">;

/** Joins changes that differ only in their child accounts or methods. */
function joined(changes: readonly Single[]): RuleChange[] {
  const groups = new Map<string, Single[]>();
  for (const change of changes) {
    const { kind, from, to, rule } = change;
    const key = JSON.stringify([kind, String(from), String(to), rule.method === undefined]);
    groups.set(key, [...(groups.get(key) ?? []), change]);
  }
  return [...groups.values()].flatMap((group): RuleChange[] => {
    const [first] = group;
    if (!first) return [];
    const { kind, gain, place, from, to } = first;
    const rules = group.map(({ rule }) => rule);
    return [
      {
        kind,
        gain,
        accountIds: unique(rules.map(({ accountId }) => accountId)),
        methods: unique(rules.flatMap(({ method }) => method ?? [])),
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
        maxTtlSeconds: Math.max(...rules.map(({ maxTtlSeconds }) => maxTtlSeconds)),
        until: Math.max(...rules.map(({ until }) => until)),
        place,
      },
    ];
  });
}

function unique<Item>(items: readonly Item[]): Item[] {
  return [...new Set(items)];
}
