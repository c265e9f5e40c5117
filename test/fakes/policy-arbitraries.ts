import fc from "fast-check";
import type { Caller } from "../../lib/caller/caller.ts";
import type { Question } from "../../lib/grants/conditions.ts";
import type { AccessRequest, Grant, MethodRequest, Policy, TokenRequest } from "../../lib/grants/policy.ts";
import { callerOf, serviceAccount, NOW } from "./policy.ts";

/** Policies and callers out of so few letters that they often meet. */

const ACCOUNTS = ["111122223333", "111122223334", "444455556666"];
const ORGS = ["o-aaaaaaaaaa", "o-bbbbbbbbbb"];
const SERVICE_ACCOUNTS = ["calls", "history", "constructor"];
const IDS = ["AAAA", "BBBB"];
const METHODS = ["StartScenarios", "GetRules", "CreateKey"];

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
    methods: fc.option(fc.uniqueArray(fc.constantFrom(...METHODS, "Get*", "*", "Start?"), { minLength: 1 }), {
      freq: 2,
    }),
    until: fc.option(fc.constantFrom(NOW - 1, NOW, NOW + 29_999, NOW + 30_000, NOW + 400_999), { freq: 2 }),
  })
  .map(({ line, principals, principalOrgId, methods, until, ...grant }) => ({
    ...grant,
    ...(methods === null ? {} : { methods }),
    ...(until === null ? {} : { until }),
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

const asked = {
  serviceAccount: fc.constantFrom(...SERVICE_ACCOUNTS, "toString"),
  accountId: fc.constantFrom(7, 8, 9),
};
const tokenRequests: fc.Arbitrary<TokenRequest> = fc.record(
  { ...asked, ttlSeconds: fc.constantFrom(30, 299, 300, 301, 900, 901, 3600) },
  { requiredKeys: ["serviceAccount"] },
);
const methodRequests: fc.Arbitrary<MethodRequest> = fc.record(
  { ...asked, method: fc.constantFrom(...METHODS, "createkey", "Nothing") },
  { requiredKeys: ["serviceAccount", "method"] },
);
export const requests: fc.Arbitrary<AccessRequest> = fc.oneof(
  { weight: 2, arbitrary: tokenRequests },
  methodRequests,
);

/**
 * Questions that a grant answers, and near misses: for each of its principals callers that it
 * matches, with and without what the grant asks for, and for each thing it gives a request.
 */
export function questionsOf(grant: Grant): Question[] {
  const callersOfGrant = grant.principals.flatMap(({ arn, uniqueId }) => {
    const [, , , , account = "", resource = ""] = arn.split(":");
    const names = new Set(["", "ab"].map((run) => resource.replaceAll("*", run).replaceAll("?", "a")));
    return [...names]
      .filter((name) => !name.endsWith("/"))
      .flatMap((name) => {
        const accountId = ACCOUNTS.find((id) => account === id) ?? "111122223333";
        return optional("uniqueId", uniqueId).flatMap((pin) =>
          optional("org", grant.principalOrgId).map((org) =>
            callerOf(`arn:aws:iam::${accountId}:${name}`, { ...pin, ...org }),
          ),
        );
      });
  });
  const requestsOfGrant = grant.serviceAccounts.flatMap((serviceAccount) =>
    [{}, ...grant.childAccountIds.map((accountId) => ({ accountId }))].flatMap((child): AccessRequest[] =>
      grant.methods
        ? METHODS.map((method) => ({ serviceAccount, ...child, method }))
        : optional("ttlSeconds", grant.maxTtlSeconds).map((ttl) => ({ serviceAccount, ...child, ...ttl })),
    ),
  );
  return callersOfGrant.flatMap((caller) =>
    requestsOfGrant.map((request) => ({ caller, request, now: NOW })),
  );
}

/** With the field and without it; without it alone where there is no value. */
function optional<K extends string, T>(key: K, value: T | undefined): Partial<Record<K, T>>[] {
  return value === undefined ? [{}] : [{}, { [key]: value } as Partial<Record<K, T>>];
}

/**
 * Questions of anybody, and those that one of the policy's grants answers: random callers rarely
 * fit.
 */
export const policiesAndQuestions: fc.Arbitrary<[Policy, Question]> = policies.chain((policy) => {
  const anybody = fc.record({ caller: callers, request: requests, now: fc.constant(NOW) });
  if (policy.grants.length === 0) return fc.tuple(fc.constant(policy), anybody);
  const fitting = fc
    .constantFrom(...policy.grants)
    .map(questionsOf)
    .chain((questions) => (questions.length === 0 ? anybody : fc.constantFrom(...questions)));
  return fc.tuple(fc.constant(policy), fc.oneof(anybody, { weight: 2, arbitrary: fitting }));
});

/** Every field of a grant that changes what it gives. */
export const grantFields = Object.keys({
  principals: true,
  serviceAccounts: true,
  maxTtlSeconds: true,
  childAccountIds: true,
  principalOrgId: true,
  methods: true,
  until: true,
} satisfies Record<Exclude<keyof Grant, "source">, true>) as Exclude<keyof Grant, "source">[];

/** Two grants of which one differs from the other in one field at most, in either order. */
export const policiesOfTwins: fc.Arbitrary<Policy> = fc
  .record({
    policy: policies,
    one: grants,
    other: grants,
    field: fc.constantFrom(...grantFields, "nothing"),
    swapped: fc.boolean(),
  })
  .map(({ policy, one, other, field, swapped }) => {
    // An undefined field of the other grant leaves the twin without it, as a file would.
    const twin = JSON.parse(
      JSON.stringify({
        ...one,
        // The first principal stays: only grants that match it are compared at all.
        ...(field === "principals" && {
          principals: [...one.principals.slice(0, 1), ...other.principals.slice(1)],
        }),
        ...(field !== "principals" && field !== "nothing" && { [field]: other[field] }),
      }),
    ) as Grant;
    return { ...policy, grants: swapped ? [twin, one] : [one, twin] };
  });
