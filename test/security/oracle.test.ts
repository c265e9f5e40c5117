import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { identifyCaller, type IamIdentity } from "../../lib/caller/caller.ts";
import { authorize, type GrantIndex, indexGrants } from "../../lib/grants/authorize.ts";
import { parseGrants } from "../../lib/grants/parse.ts";
import { isFailure } from "../../lib/outcome.ts";
import { runs } from "../fakes/at-length.ts";
import {
  type Asker,
  type FileGrant,
  fits,
  fittingGrants,
  givesMethod,
  type GrantsFile,
  principalOf,
  type Verdict,
  verdict,
  type Wish,
} from "./oracle.ts";

/**
 * Files as people write them and identities as API Gateway reports them, out of so few letters that
 * they often meet. A second implementation of docs/grants.md says what must be granted.
 */
const NOW = Date.UTC(2026, 10, 24, 12);
const ACCOUNTS = ["111122223333", "111122223334", "444455556666"];
const ORGANISATIONS = ["o-aaaaaaaaaa", "o-bbbbbbbbbb"];
const METHODS = ["StartScenarios", "StartConference", "GetCallHistory", "CreateKey", "DelUser"];
const LIFETIMES = [30, 299, 300, 301, 900, 3600];
const at = (ms: number) => new Date(NOW + ms).toISOString();

const sometimes = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });
const letters = (characters: string, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...characters.split(",")), minLength: 1, maxLength });
const kind = fc.constantFrom("role", "user");
const partition = fc.constantFrom("aws", "aws", "aws", "aws-cn");
const id = fc.constantFrom("AAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBB");
const pinOf = (kind: string, id: string) => (kind === "role" ? "AROA" : "AIDA") + id;

/** The same path for the same name, because two roles that differ by their paths are an error. */
const withPath = (kind: string, name: string) =>
  kind === "role" && /^[ab]b/.test(name) ? `team/${name}` : name;

const principal = fc
  .record({
    kind,
    partition,
    account: fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom(...ACCOUNTS) },
      fc.constantFrom("*", "1111*", "11112222333?"),
    ),
    name: fc.oneof(letters("a,b,-", 3), letters("a,b,*,?", 4)),
    path: fc.constantFrom("", "", "ops/", "o*/"),
    id: sometimes(id),
  })
  .map(({ kind, partition, account, name, path, id }) => {
    const resource = kind === "role" ? withPath(kind, name) : path + name;
    const arn = `arn:${partition}:iam::${account}:${kind}/${resource}`;
    return id === undefined ? arn : { arn, uniqueId: pinOf(kind, id) };
  });

const until = fc.oneof(
  fc.constantFrom("2026-11-23", "2026-11-24", "2026-11-25", "2026-12-31", "2027-01-31"),
  fc.constantFrom(0, 29_000, 30_000, 31_000, 299_000, 301_000, 3_599_000).map((ms) => at(ms)),
  // The same moments, said with another offset.
  fc.constantFrom("2026-11-24T17:30:30+05:30", "2026-11-24T04:00:29-08:00"),
);

const arnOf = (one: FileGrant["principals"][number]) => (typeof one === "string" ? one : one.arn);

const grant: fc.Arbitrary<FileGrant> = fc
  .record(
    {
      principals: fc.uniqueArray(principal, { minLength: 1, maxLength: 3, selector: arnOf }),
      serviceAccounts: fc.uniqueArray(fc.constantFrom("calls", "history", "constructor"), { minLength: 1 }),
      maxTtlSeconds: fc.constantFrom(...LIFETIMES),
      childAccountIds: fc.uniqueArray(fc.constantFrom(7, 8), { minLength: 1 }),
      principalOrgId: fc.constantFrom(...ORGANISATIONS),
      methods: fc.uniqueArray(fc.constantFrom(...METHODS, "Start*", "Get*", "*", "Start?cenarios"), {
        minLength: 1,
      }),
      until,
    },
    { requiredKeys: ["principals", "serviceAccounts"] },
  )
  .map(({ methods, maxTtlSeconds, ...grant }) => ({
    ...grant,
    ...(methods === undefined ? maxTtlSeconds !== undefined && { maxTtlSeconds } : { methods }),
    // "Required where the account of a principal is a wildcard."
    ...(grant.principals.some((one) => /::[^:]*[*?]/.test(arnOf(one))) && {
      principalOrgId: grant.principalOrgId ?? "o-aaaaaaaaaa",
    }),
  }));

const serviceAccount = (name: string) =>
  fc.record(
    {
      secret: fc.constant(`voximplant/${name}`),
      accountId: fc.constantFrom(7, 9),
      maxTtlSeconds: fc.constantFrom(...LIFETIMES),
      claims: fc.constantFrom("standard", "minimal"),
    },
    { requiredKeys: ["secret"] },
  );

const files: fc.Arbitrary<GrantsFile> = fc.record({
  serviceAccounts: fc.record({
    calls: serviceAccount("calls"),
    history: serviceAccount("history"),
    constructor: serviceAccount("constructor"),
  }),
  grants: fc.array(grant, { minLength: 1, maxLength: 10 }),
});

/** One grant a line, so that a decision's line says which grant it came from. */
const textOf = ({ serviceAccounts, grants }: GrantsFile) =>
  [
    `serviceAccounts: ${JSON.stringify(serviceAccounts)}`,
    "grants:",
    ...grants.map((one) => `- ${JSON.stringify(one)}`),
    "",
  ].join("\n");
const lineOf = (place: number) => `grants.yml:${place + 3}`;

function indexOf(file: GrantsFile): GrantIndex {
  const parsed = parseGrants(textOf(file), "grants.yml");
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  return indexGrants(parsed.policy);
}

const mostly = <T>(wanted: fc.Arbitrary<T>, other: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 8, arbitrary: wanted }, { weight: 1, arbitrary: other });
const oneOf = <T>(wanted: readonly T[], other: fc.Arbitrary<T>) =>
  wanted.length > 0 ? mostly(fc.constantFrom(...wanted), other) : other;

/** A question that a grant of the file may answer: most of it fits, and some of it does not. */
const question = (grant: FileGrant): fc.Arbitrary<readonly [IamIdentity, Wish]> =>
  fc.constantFrom(...grant.principals).chain((one) => {
    const [, partitionOf = "", , , accountOf = "", resource = ""] = arnOf(one).split(":");
    const [, kindOf = "", nameOf = ""] = /^(role|user)\/(.*)$/.exec(resource) ?? [];
    const pin = typeof one === "string" ? [] : [(one.uniqueId ?? "").slice(4)];
    const { principalOrgId, childAccountIds = [], methods } = grant;
    const name = fc
      .tuple(fc.constantFrom("", "a", "ab", "b/a"), fc.constantFrom("a", "b"))
      .map(([run, letter]) => nameOf.replaceAll("*", run).replaceAll("?", letter));
    return fc
      .record({
        kind: mostly(fc.constant(kindOf), kind),
        name: mostly(name, letters("a,b,-", 3)),
        partition: mostly(fc.constant(partitionOf), partition),
        account: oneOf(
          ACCOUNTS.filter((account) => fits(accountOf, account)),
          fc.constantFrom(...ACCOUNTS),
        ),
        id: oneOf(pin, id),
        session: fc.oneof(letters("a,b,-", 3), fc.constantFrom("role=aa", "assumed-role", "111122223333")),
        organisation: mostly<string | undefined>(
          fc.constant(principalOrgId),
          sometimes(fc.constantFrom(...ORGANISATIONS)),
        ),
        serviceAccount: oneOf(grant.serviceAccounts, fc.constantFrom("calls", "toString", "__proto__")),
        accountId: sometimes(oneOf(childAccountIds, fc.constantFrom(7, 8, 9))),
        ttlSeconds: sometimes(fc.constantFrom(...LIFETIMES)),
        method: mostly(
          methods === undefined ? fc.constant(undefined) : fc.constantFrom(...METHODS, "startscenarios"),
          sometimes(fc.constantFrom(...METHODS, "createkey", "Nothing")),
        ),
      })
      .map(({ kind, name, partition, account, id, session, organisation, serviceAccount, ...asked }) => {
        const { accountId, method, ttlSeconds } = asked;
        const roleName = name.replace(/.*\//, "") || "a";
        const userName = /(^|\/)$/.test(name) ? `${name}a` : name;
        return [
          {
            userArn:
              kind === "role"
                ? `arn:${partition}:sts::${account}:assumed-role/${roleName}/${session}`
                : `arn:${partition}:iam::${account}:user/${userName}`,
            userId: kind === "role" ? `${pinOf("role", id)}:${session}` : pinOf("user", id),
            principalOrgId: organisation,
          },
          {
            serviceAccount,
            ...(accountId !== undefined && { accountId }),
            // A call has no lifetime to ask for.
            ...(method === undefined ? ttlSeconds !== undefined && { ttlSeconds } : { method }),
          },
        ] as const;
      });
  });

const cases = files.chain((file) =>
  fc.tuple(
    fc.constant(file),
    fc.array(fc.constantFrom(...file.grants).chain(question), { minLength: 8, maxLength: 8 }),
  ),
);

/** What API Gateway reports, in the form that the oracle reads. */
function askerOf({ userArn, userId, principalOrgId }: IamIdentity): Asker {
  const principal = principalOf(userArn ?? "");
  if (principal === undefined) throw new Error(`${userArn ?? ""} is nobody`);
  return {
    principal,
    ...(userId && { uniqueId: userId.replace(/:.*/, "") }),
    ...(principalOrgId && { organizationId: principalOrgId }),
  };
}

function decide(index: GrantIndex, identity: IamIdentity, wish: Wish) {
  const caller = identifyCaller(identity);
  if (isFailure(caller)) throw new Error(caller.detail);
  return authorize(index, caller, wish, NOW);
}

describe("the decision", () => {
  it("follows the rules of docs/grants.md", () => {
    const seen = { granted: 0, called: 0, denied: 0, tooLong: 0 };
    fc.assert(
      fc.property(cases, ([file, questions]) => {
        const index = indexOf(file);
        for (const [identity, wish] of questions) {
          const asker = askerOf(identity);
          const expected: Verdict = verdict(file, asker, wish, NOW);
          const decision = decide(index, identity, wish);
          if (wish.method === undefined) expect(decision).toMatchObject(expected);
          else expect("reason" in decision).toBe("reason" in expected);
          if ("reason" in expected) {
            seen[expected.reason === "access_denied" ? "denied" : "tooLong"] += 1;
            continue;
          }
          seen[wish.method === undefined ? "granted" : "called"] += 1;
          const most = [...fittingGrants(file, asker, wish, NOW)];
          const longest = Math.max(...most.map(([, lifetime]) => lifetime));
          const lines = most.filter(([, lifetime]) => lifetime === longest).map(([place]) => lineOf(place));
          expect(lines).toContain((decision as { grant?: string }).grant);
        }
      }),
      runs(1500),
    );
    // Each kind of decision is among the cases, often enough to mean something.
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(5);
  });

  it("differs by no condition that is left out of a grant which fits", () => {
    const names = ["maxTtlSeconds", "childAccountIds", "principalOrgId", "methods", "until"] as const;
    fc.assert(
      fc.property(cases, fc.constantFrom(...names), ([file, questions], left) => {
        const fewer: GrantsFile = {
          ...file,
          grants: file.grants.map((one) => {
            const hasWildcard = one.principals.some((pattern) => /::[^:]*[*?]/.test(arnOf(pattern)));
            return Object.fromEntries(
              Object.entries(one).filter(
                ([name]) => name !== left || (hasWildcard && left === "principalOrgId"),
              ),
            ) as unknown as FileGrant;
          }),
        };
        const index = indexOf(fewer);
        for (const [identity, wish] of questions) {
          const expected = verdict(fewer, askerOf(identity), wish, NOW);
          const decision = decide(index, identity, wish);
          expect("reason" in decision).toBe("reason" in expected);
        }
      }),
      runs(500),
    );
  });

  it.each([
    "arn:aws:sts::111122223333:federated-user/aa",
    "arn:aws:iam::111122223333:root",
    "arn:aws:iam::111122223333:role/aa",
    "arn:aws:iam::111122223333:group/aa",
    "arn:aws:sts::111122223333:assumed-role/aa",
    "arn:aws:sts::111122223333:assumed-role/aa/s/s",
    "lambda.amazonaws.com",
  ])("is nobody's, as docs/grants.md says of everything but roles and users: %s", (userArn) => {
    expect(principalOf(userArn)).toBeUndefined();
    expect(identifyCaller({ userArn, userId: "AROAAAAAAAAAAAAAAAAA:s" })).toMatchObject({
      reason: "unauthenticated",
    });
  });

  it("gives a sensitive method by its full name alone", () => {
    expect(["*", "Create*", "createkey"].map((one) => givesMethod([one], "CreateKey"))).toEqual([
      false,
      false,
      false,
    ]);
  });
});
