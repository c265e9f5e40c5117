import { hasWildcard, splitPrincipalArn } from "./arn-like.ts";
import { indexGrants } from "./grant-index.ts";
import type { Grant, Policy, PrincipalPattern } from "./policy.ts";
import type { Finding, Path } from "./problem.ts";
import { findRedundantGrants } from "./redundancy.ts";

/** What a policy may say, but what its author may not have meant. */
export function findSuspicions(policy: Policy): Finding[] {
  const redundant = findRedundantGrants(policy.grants, indexGrants(policy));
  return [
    ...serviceAccountSuspicions(policy),
    ...policy.grants.flatMap((grant, i) => {
      const path = ["grants", i];
      const cover = redundant.get(grant);
      return [
        ...(cover
          ? [{ path, message: `gives nothing that the grant of ${cover.source} does not give` }]
          : []),
        ...grant.principals.flatMap((pattern, j) => principalSuspicions(pattern, [...path, "principals", j])),
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
      ...(granted.has(name) ? [] : [{ path, onKey: true, message: `nobody is granted ${name}` }]),
      ...(accountId === undefined ? [{ path, onKey: true, message: withoutAccount(name) }] : []),
      ...(twin === undefined
        ? []
        : [
            {
              path: [...path, "secret"],
              message: `the same secret as ${twin}: a token of one can do what the other can`,
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
      `the wildcard spans accounts: whoever can make a ${kind} of this name in one of them gets the grant`,
    );
  }
  if (/^[*?]+$/.test(name))
    messages.push(`matches every ${kind} of the account, those still to be made included`);
  if (SSO_ROLE.test(name)) {
    const pattern = name.replace(/_[0-9a-f]+$/, "") + "_*";
    messages.push(
      `IAM Identity Center ends this role's name in random characters, others whenever it makes the role anew: ` +
        `write ${pattern}`,
    );
  }
  if (SERVICE_LINKED_ROLE.test(name)) {
    messages.push(
      "looks like a service-linked role: only a service of AWS can call as it, and some end in random characters",
    );
  }
  if (kind === "user" && uniqueId === undefined && !hasWildcard(name)) {
    messages.push(
      "is not pinned: a user made later under this name gets the grant; add its uniqueId (AIDA…)",
    );
  }
  return messages.map((message) => ({ path, message }));
}

function repetitions(grant: Grant, path: Path): Finding[] {
  return [
    ...repeated(
      grant.principals.map(({ arn, uniqueId }) => `${arn}${uniqueId ? ` (${uniqueId})` : ""}`),
      [...path, "principals"],
    ),
    ...repeated(grant.serviceAccounts, [...path, "serviceAccounts"]),
    ...repeated(grant.childAccountIds.map(String), [...path, "childAccountIds"]),
  ];
}

function repeated(items: readonly string[], path: Path): Finding[] {
  const seen = new Set<string>();
  return items.flatMap((item, i) => {
    if (seen.has(item)) return [{ path: [...path, i], message: `${item} stands twice in this list` }];
    seen.add(item);
    return [];
  });
}
