import fc from "fast-check";
import type { Caller } from "../../lib/caller/caller.ts";
import type { Grant, Policy, TokenRequest } from "../../lib/grants/policy.ts";
import { callerOf, serviceAccount } from "./policy.ts";

/** Policies and callers out of so few letters that they often meet. */

const ACCOUNTS = ["111122223333", "111122223334", "444455556666"];
const ORGS = ["o-aaaaaaaaaa", "o-bbbbbbbbbb"];
const SERVICE_ACCOUNTS = ["calls", "history", "constructor"];
const IDS = ["AAAA", "BBBB"];

const name = fc.string({ unit: fc.constantFrom("a", "b", "-"), minLength: 1, maxLength: 5 });
const namePattern = fc.string({ unit: fc.constantFrom("a", "b", "-", "*", "?"), minLength: 1, maxLength: 6 });
const kind = fc.constantFrom("role" as const, "user" as const);
const accountPattern = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...ACCOUNTS) },
  fc.constantFrom("*", "1111*", "11112222333?"),
);

export const callers: fc.Arbitrary<Caller> = fc
  .record({
    kind,
    account: fc.constantFrom(...ACCOUNTS),
    name,
    session: fc.string({ unit: fc.constantFrom("a", "b", "-"), minLength: 1, maxLength: 5 }),
    id: fc.option(fc.constantFrom(...IDS), { nil: undefined }),
    org: fc.option(fc.constantFrom(...ORGS), { nil: undefined }),
  })
  .map(({ kind, account, name, session, id, org }) =>
    callerOf(`arn:aws:iam::${account}:${kind}/${name}`, {
      session,
      ...(id === undefined ? {} : { uniqueId: `${kind === "role" ? "AROA" : "AIDA"}${id}` }),
      ...(org === undefined ? {} : { org }),
    }),
  );

const lifetime = fc.constantFrom(30, 300, 301, 900, 3600);

export const grants: fc.Arbitrary<Grant> = fc
  .record({
    line: fc.integer({ min: 1, max: 999 }),
    principals: fc.array(
      fc.record({
        kind,
        account: accountPattern,
        name: fc.oneof(name, namePattern),
        id: fc.option(fc.constantFrom(...IDS)),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    serviceAccounts: fc.uniqueArray(fc.constantFrom(...SERVICE_ACCOUNTS), { minLength: 1 }),
    maxTtlSeconds: lifetime,
    childAccountIds: fc.uniqueArray(fc.constantFrom(7, 8), {}),
    principalOrgId: fc.option(fc.constantFrom(...ORGS)),
  })
  .map(({ line, principals, principalOrgId, ...grant }) => ({
    ...grant,
    source: `grants.yml:${line}`,
    // As the parser insists: where the account is a wildcard, there is an organisation.
    ...(principalOrgId === null && principals.every(({ account }) => !/[*?]/.test(account))
      ? {}
      : { principalOrgId: principalOrgId ?? "o-aaaaaaaaaa" }),
    principals: principals.map(({ kind, account, name, id }, i) => ({
      source: `grants.yml:${line + i + 1}`,
      arn: `arn:aws:iam::${account}:${kind}/${name}`,
      ...(id === null ? {} : { uniqueId: `${kind === "role" ? "AROA" : "AIDA"}${id}` }),
    })),
  }));

export const policies: fc.Arbitrary<Policy> = fc
  .record({
    grants: fc.array(grants, { maxLength: 12 }),
    maxima: fc.tuple(lifetime, lifetime, lifetime),
    accountId: fc.option(fc.constantFrom(7, 9)),
  })
  .map(({ grants, maxima, accountId }) => ({
    serviceAccounts: SERVICE_ACCOUNTS.map((name, i) =>
      serviceAccount(name, {
        maxTtlSeconds: maxima[i] ?? 3600,
        ...(accountId === null ? {} : { accountId }),
      }),
    ),
    grants,
  }));

export const requests: fc.Arbitrary<TokenRequest> = fc.record(
  {
    serviceAccount: fc.constantFrom(...SERVICE_ACCOUNTS, "toString"),
    ttlSeconds: fc.constantFrom(30, 299, 300, 301, 900, 901, 3600),
    accountId: fc.constantFrom(7, 8, 9),
  },
  { requiredKeys: ["serviceAccount"] },
);
