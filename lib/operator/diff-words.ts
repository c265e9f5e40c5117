import type { Difference } from "../grants/diff.ts";
import type { Callers } from "../grants/rules.ts";
import type { RuleChange } from "../grants/diff-changes.ts";
import type { AccountChange } from "../grants/diff-service-accounts.ts";
import { formatUntil } from "../grants/until.ts";

/** How the formats text, markdown and github say who gains and who loses what. */

/** `arn:aws:iam::…:role/x (only AROAEXAMPLEID, organisation o-a1b2c3d4e5)` */
export function principalText({ arn, uniqueId, principalOrgId }: Callers): string {
  const texts = {
    uniqueId: uniqueId === undefined ? undefined : `only ${uniqueId}`,
    principalOrgId: principalOrgId === undefined ? undefined : `organisation ${principalOrgId}`,
  } satisfies Record<Exclude<keyof Callers, "arn">, string | undefined>;
  const conditions = Object.values(texts).filter((text) => text !== undefined);
  return conditions.length === 0 ? arn : `${arn} (${conditions.join(", ")})`;
}

/** `longer: 300 s → 900 s` */
export function changeText(change: RuleChange): string {
  return `${change.kind}: ${extentOf(change)}`;
}

function extentOf(change: RuleChange): string {
  const { kind, accountIds, methods, from = 0, to = 0, maxTtlSeconds, until } = change;
  const calls = methods.length === 0 ? "" : ` (calls of ${methods.join(", ")})`;
  const ends = until === Infinity ? "" : `, ${endText(until)}`;
  switch (kind) {
    case "gained":
    case "lost": {
      const what = calls === "" ? `tokens of at most ${maxTtlSeconds} s` : `calls of ${methods.join(", ")}`;
      const children = childrenText(accountIds);
      return `${what}${children === "" ? "" : `, ${children}`}${ends}`;
    }
    case "more child accounts":
    case "fewer child accounts":
      return `${accountIds.join(", ")}${calls}${ends}`;
    case "more methods":
    case "fewer methods":
      return `${methods.join(", ")}${ends}`;
    case "longer":
    case "shorter":
      return `${from} s → ${to} s${scopeText(accountIds)}${calls}${ends}`;
    case "later":
    case "sooner":
      return `${endText(from)} → ${endText(to)}${scopeText(accountIds)}${calls}`;
  }
}

export function endText(until: number): string {
  return until === Infinity ? "no end" : `until ${formatUntil(until)}`;
}

/** Empty if the change is for the key's own account too. */
function scopeText(accountIds: RuleChange["accountIds"]): string {
  return accountIds.includes(undefined) ? "" : ` (${childrenText(accountIds)})`;
}

function childrenText(accountIds: RuleChange["accountIds"]): string {
  const ids = accountIds.filter((id) => id !== undefined);
  if (ids.length === 0) return "";
  return `child account${ids.length === 1 ? "" : "s"} ${ids.join(", ")}`;
}

/**
 * For a pattern that gains or loses everything: the narrower patterns that had something before, or
 * still have something.
 */
export function exceptText({ except, changes }: Difference): string {
  if (except.length === 0) return "";
  const shown = except.slice(0, 3).map(principalText).join(", ");
  const more = except.length > 3 ? ` and ${except.length - 3} more` : "";
  return `${changes.some(({ gain }) => gain) ? "had before" : "still has"}: ${shown}${more}`;
}

/** `secret: voximplant/a → voximplant/b` */
export function accountText({ kind, field, from, to }: AccountChange): string {
  if (field === undefined) return kind;
  return `${field}: ${from === undefined || from === "" ? "none" : from} → ${to === undefined || to === "" ? "none" : to}`;
}
