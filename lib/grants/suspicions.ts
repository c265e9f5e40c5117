import type { EpochMs } from "../epoch.ts";
import { hasWildcard, splitPrincipalArn } from "./arn-like.ts";
import { candidatesFor, type GrantIndex, indexGrants } from "./authorize.ts";
import { coversGrant } from "./conditions.ts";
import { knownMethods } from "./known-methods.ts";
import { isSensitive, matchesMethod } from "./methods.ts";
import { didYouMean } from "./nearest.ts";
import type { Grant, Policy, PrincipalPattern } from "./policy.ts";
import { formatTime } from "./until.ts";
import type { Finding } from "./yaml-source.ts";
import type { Path } from "./yaml-value.ts";

/** What a policy allows but its author probably did not intend. */
export function findSuspicions(policy: Policy, now?: EpochMs): Finding[] {
  const redundant = findRedundantGrants(policy.grants, indexGrants(policy));
  return [
    ...serviceAccountSuspicions(policy),
    ...policy.grants.flatMap((grant, i) => {
      const path = ["grants", i];
      const cover = redundant.get(grant);
      return [
        ...(cover
          ? [{ path, message: `is redundant: the grant of ${cover.source} gives the same or more` }]
          : []),
        ...grant.principals.flatMap((pattern, j) => principalSuspicions(pattern, [...path, "principals", j])),
        ...(now === undefined ? [] : endings(grant, now, [...path, "until"])),
        ...methodSuspicions(grant, [...path, "methods"]),
        ...repetitions(grant, path),
      ];
    }),
  ];
}

function serviceAccountSuspicions({ serviceAccounts, grants }: Policy): Finding[] {
  const granted = new Set(grants.flatMap((grant) => grant.serviceAccounts));
  const nameBySecret = new Map<string, string>();
  return serviceAccounts.flatMap(({ name, secret, accountId }) => {
    const path = ["serviceAccounts", name];
    const twin = nameBySecret.get(secret);
    if (twin === undefined) nameBySecret.set(secret, name);
    return [
      ...(granted.has(name) ? [] : [{ path, onKey: true, message: `no grant names ${name}` }]),
      ...(accountId === undefined ? [{ path, onKey: true, message: withoutAccount(name) }] : []),
      ...(twin === undefined
        ? []
        : [
            {
              path: [...path, "secret"],
              message: `the same secret as ${twin}: a token of either allows everything that a token of the other allows`,
            },
          ]),
    ];
  });
}

const withoutAccount = (name: string) =>
  `${name} has no accountId, so a key of any Voximplant account is used: add the line ` +
  "`accountId: <account_id of the credentials file>`; with it, vending, import, bootstrap and rotation refuse a key " +
  "of another account";

/** Names that IAM Identity Center makes: `AWSReservedSSO_<permission set>_<16 hex digits>`. */
const SSO_ROLE = /^AWSReservedSSO_.*[^*?]$/;
const SERVICE_LINKED_ROLE = /^AWSServiceRoleFor[^*?]*$/;

function principalSuspicions({ arn, uniqueId }: PrincipalPattern, path: Path): Finding[] {
  const parts = splitPrincipalArn(arn);
  if (!parts) return [];
  const { accountId, kind, name } = parts;
  const messages: string[] = [];
  if (hasWildcard(accountId)) {
    messages.push(
      `the wildcard spans accounts: anyone who can create a ${kind} of this name in one of them gets the grant`,
    );
  }
  if (/^[*?]+$/.test(name))
    messages.push(`matches every ${kind} of the account, including those created later`);
  if (SSO_ROLE.test(name)) {
    const pattern = name.replace(/_[0-9a-f]{16}$/, "") + "_*";
    messages.push(
      `IAM Identity Center puts random characters at the end of this role's name, ` +
        `and they change when the role is created again: write ${pattern}`,
    );
  }
  if (SERVICE_LINKED_ROLE.test(name)) {
    messages.push(
      "looks like a service-linked role: only an AWS service can use it, and some end in random characters",
    );
  }
  if (kind === "user" && uniqueId === undefined && !hasWildcard(name)) {
    messages.push("has no uniqueId (AIDA…): add it, or a user created later with this name gets the grant");
  }
  return messages.map((message) => ({ path, message }));
}

const SOON_MS = 14 * 86_400_000;

function endings({ until }: Grant, now: EpochMs, path: Path): Finding[] {
  if (until === undefined || until - now > SOON_MS) return [];
  if (until <= now) return [{ path, message: `the grant is over since ${formatTime(until)}: remove it` }];
  const days = Math.floor((until - now) / 86_400_000);
  const left = days === 0 ? "within a day" : `in ${days} day${days === 1 ? "" : "s"}`;
  return [{ path, message: `the grant ends at ${formatTime(until)}, ${left}` }];
}

function methodSuspicions({ methods = [] }: Grant, path: Path): Finding[] {
  return methods.flatMap((method, i) => {
    const at = [...path, i];
    if (isSensitive(method)) {
      const message = `${method} changes or returns keys, roles, users or credentials: the caller can give itself access that lasts`;
      return [{ path: at, message }];
    }
    if (knownMethods.some((known) => matchesMethod(method, known))) return [];
    const message = hasWildcard(method)
      ? `${method} matches no known method of Voximplant (a wildcard never matches a sensitive method)`
      : `Voximplant has no known method ${method}${didYouMean(method, knownMethods)}`;
    return [{ path: at, message }];
  });
}

function repetitions(grant: Grant, path: Path): Finding[] {
  return [
    ...repeated(
      grant.principals.map(({ arn, uniqueId }) => `${arn}${uniqueId ? ` (${uniqueId})` : ""}`),
      [...path, "principals"],
    ),
    ...repeated(grant.serviceAccounts, [...path, "serviceAccounts"]),
    ...repeated(grant.childAccountIds.map(String), [...path, "childAccountIds"]),
    ...repeated(grant.methods ?? [], [...path, "methods"]),
  ];
}

function repeated(items: readonly string[], path: Path): Finding[] {
  const seen = new Set<string>();
  return items.flatMap((item, i) => {
    if (seen.has(item)) return [{ path: [...path, i], message: `${item} appears twice in this list` }];
    seen.add(item);
    return [];
  });
}

/**
 * For each grant that could be removed without a loss for any caller: another grant that gives the
 * same or more.
 */
export function findRedundantGrants(grants: readonly Grant[], index: GrantIndex): Map<Grant, Grant> {
  const order = new Map(grants.map((grant, i) => [grant, i]));
  const redundant = new Map<Grant, Grant>();
  for (const grant of grants) {
    const [principal] = grant.principals;
    const cover =
      principal &&
      grantsNaming(principal, index).find(
        (other) =>
          coversGrant(other, grant) &&
          // Of two grants that give the same, only the later one is redundant. For `grant` itself,
          // this line is false, so a grant is never its own cover.
          (!coversGrant(grant, other) || (order.get(other) ?? 0) < (order.get(grant) ?? 0)),
      );
    if (cover) redundant.set(grant, cover);
  }
  return redundant;
}

/** Treats the text of a pattern as the ARN of a caller, and returns the grants that match it. */
function grantsNaming({ arn }: PrincipalPattern, index: GrantIndex): Grant[] {
  const parts = splitPrincipalArn(arn);
  return parts ? candidatesFor(index, { principal: arn, ...parts }).map(({ grant }) => grant) : [];
}
