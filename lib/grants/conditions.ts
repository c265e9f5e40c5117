import type { Caller } from "../caller/caller.ts";
import type { EpochMs } from "../epoch.ts";
import { matchesGlob, matchesPrincipal, splitPrincipalArn } from "./arn-like.ts";
import { coversPrincipal } from "./covers-glob.ts";
import { coversMethods, matchesMethod } from "./methods.ts";
import type { AccessRequest, Grant, PrincipalPattern, ServiceAccount } from "./policy.ts";
import {
  DEFAULT_TTL_SECONDS,
  MAX_TTL_SECONDS,
  METHOD_TTL_SECONDS,
  methodOf,
  MIN_TTL_SECONDS,
} from "./policy.ts";
import { formatTime } from "./until.ts";

/** A grant, and one of its principals. */
export interface Candidate {
  readonly grant: Grant;
  readonly pattern: PrincipalPattern;
}

/** The question to decide: may this caller get now what this request asks for? */
export interface Question {
  readonly caller: Caller;
  readonly request: AccessRequest;
  readonly now: EpochMs;
}

interface Covering {
  /**
   * Each condition belongs to one field of a grant or of its principal. `covers` compares only this
   * field of two grants, `wide` and `narrow`. True means: what the condition of `narrow` allows,
   * the condition of `wide` certainly allows too. A wrong `true` would make `voxtoken admin lint`
   * report a needed grant as redundant.
   */
  readonly covers: (wide: Candidate, narrow: Candidate) => boolean;
}

/**
 * One condition of a grant. `unmet` gets only the part of the question that `reads` names. If this
 * part meets the condition, `unmet` returns undefined. Otherwise it returns the reason, as the end
 * of a sentence whose subject is the grant: "is for the role billing, the caller is dialer".
 *
 * A caller that lists its entitlements requests nothing, so a condition that reads the request is
 * not checked then. In the diff of two policies, the conditions that read the caller decide whose
 * rules are compared, and the other conditions decide what these callers gain or lose.
 */
export type Condition = {
  [Part in keyof Question]: Covering & {
    readonly reads: Part;
    readonly unmet: (candidate: Candidate, question: Pick<Question, Part>) => string | undefined;
  };
}[keyof Question];

/**
 * The type of the table of conditions. Both {@link Grant} and {@link PrincipalPattern} have fields
 * that restrict a grant. The table has one entry for each of these fields.
 */
export type ConditionsOf<G extends Grant, P extends PrincipalPattern> = Readonly<
  Record<Exclude<keyof G | keyof P, "source" | "principals">, Condition>
>;

/**
 * All conditions of a grant. Five places use this table: the decision, its explanation, the list of
 * entitlements, the search for redundant grants, and the diff of two policies. If one of these
 * places missed a field, the vendor would give a token that the grant does not allow, lint would
 * recommend the removal of a grant that is needed, or the diff would miss a gain. If a field is
 * added to {@link Grant} or {@link PrincipalPattern} without an entry here, the code does not
 * compile.
 */
export const conditions = {
  arn: {
    reads: "caller",
    unmet: unmetArn,
    covers: ({ pattern: wide }, { pattern: narrow }) => {
      if (wide.arn === narrow.arn) return true;
      const [a, b] = [splitPrincipalArn(wide.arn), splitPrincipalArn(narrow.arn)];
      return a && b ? coversPrincipal(a, b) : false;
    },
  },
  // A role that is deleted and created again has the same ARN, and another unique id.
  uniqueId: {
    reads: "caller",
    unmet: ({ pattern: { uniqueId } }, { caller }) =>
      uniqueId === undefined || uniqueId === caller.uniqueId
        ? undefined
        : `is for the unique id ${uniqueId}, the caller has ${caller.uniqueId ?? "none"}`,
    covers: ({ pattern: wide }, { pattern: narrow }) =>
      wide.uniqueId === undefined || wide.uniqueId === narrow.uniqueId,
  },
  principalOrgId: {
    reads: "caller",
    unmet: ({ grant: { principalOrgId } }, { caller }) =>
      principalOrgId === undefined || principalOrgId === caller.organizationId
        ? undefined
        : `is for organisation ${principalOrgId}, the caller is in ${caller.organizationId ?? "none"}`,
    covers: ({ grant: wide }, { grant: narrow }) =>
      wide.principalOrgId === undefined || wide.principalOrgId === narrow.principalOrgId,
  },
  serviceAccounts: {
    reads: "request",
    unmet: ({ grant: { serviceAccounts } }, { request }) =>
      serviceAccounts.includes(request.serviceAccount)
        ? undefined
        : `is for service account ${serviceAccounts.join(" or ")}`,
    covers: ({ grant: wide }, { grant: narrow }) =>
      narrow.serviceAccounts.every((name) => wide.serviceAccounts.includes(name)),
  },
  childAccountIds: {
    reads: "request",
    unmet: ({ grant: { childAccountIds } }, { request }) => {
      if (request.accountId === undefined || childAccountIds.includes(request.accountId)) return undefined;
      const ids = childAccountIds.join(", ");
      return ids === "" ? "lists no child accounts" : `lists only the child accounts ${ids}`;
    },
    covers: ({ grant: wide }, { grant: narrow }) =>
      narrow.childAccountIds.every((id) => wide.childAccountIds.includes(id)),
  },
  // A token is valid for at least 30 s. If a grant ends in less than 30 s, it gives no token.
  until: {
    reads: "now",
    unmet: ({ grant: { until } }, { now }) => {
      if (until === undefined || !isOver({ until }, now)) return undefined;
      return now >= until
        ? `is over since ${formatTime(until)}`
        : `ends at ${formatTime(until)}, in less than ${MIN_TTL_SECONDS} s`;
    },
    covers: ({ grant: { until: wide } }, { grant: { until: narrow } }) =>
      wide === undefined || (narrow !== undefined && wide >= narrow),
  },
  // A grant with methods gives no token, because a token allows every method.
  methods: {
    reads: "request",
    unmet: ({ grant: { methods } }, { request }) => {
      const method = methodOf(request);
      if (methods === undefined) return method === undefined ? undefined : "allows tokens but no calls";
      if (method === undefined) return `allows calls of ${methods.join(", ")} but no token`;
      return methods.some((pattern) => matchesMethod(pattern, method))
        ? undefined
        : `allows calls of ${methods.join(", ")}, but not of ${method}`;
    },
    covers: ({ grant: { methods: wide } }, { grant: { methods: narrow } }) =>
      wide === undefined || narrow === undefined
        ? wide === narrow
        : narrow.every((pattern) => wide.some((wider) => coversMethods(wider, pattern))),
  },
  maxTtlSeconds: {
    reads: "request",
    // This condition never refuses a request. `authorize` checks the lifetime later. If it is too
    // long, `authorize` answers `ttl_too_long` and names the maximum, so the caller learns it.
    unmet: () => undefined,
    covers: ({ grant: wide }, { grant: narrow }) => wide.maxTtlSeconds >= narrow.maxTtlSeconds,
  },
} satisfies ConditionsOf<Grant, PrincipalPattern>;

/** The conditions that read the caller. */
export type CallerCondition = {
  [Name in keyof typeof conditions]: (typeof conditions)[Name]["reads"] extends "caller" ? Name : never;
}[keyof typeof conditions];

const all: readonly Condition[] = Object.values(conditions);
const ofCallers = all.filter(({ reads }) => reads === "caller");
const ofRequests = all.filter(({ reads }) => reads !== "caller");

/**
 * One text for each condition of a grant that the question does not meet. If the grant fits, the
 * list is empty.
 */
export function unmetConditions(candidate: Candidate, question: Question): string[] {
  return all.flatMap((condition) => condition.unmet(candidate, question) ?? []);
}

/** Whether a grant has ended, or ends too soon to give a token. */
export function isOver({ until }: Pick<Grant, "until">, now: EpochMs): boolean {
  return until !== undefined && until - now < MIN_TTL_SECONDS * 1000;
}

/**
 * Whether a grant is for a caller and has not ended. Ignores the conditions that read the request.
 */
export function isFor(candidate: Candidate, caller: Caller, now: EpochMs): boolean {
  return all.every(
    (condition) => condition.reads === "request" || condition.unmet(candidate, { caller, now }) === undefined,
  );
}

/**
 * Whether each question that meets all conditions of `narrow` also meets all conditions of `wide`.
 */
export function coversGrant(wide: Grant, narrow: Grant): boolean {
  return narrow.principals.every((narrowPattern) =>
    wide.principals.some((widePattern) =>
      coversCandidate({ grant: wide, pattern: widePattern }, { grant: narrow, pattern: narrowPattern }),
    ),
  );
}

/** Like {@link coversGrant}, for one principal of each grant. */
function coversCandidate(wide: Candidate, narrow: Candidate): boolean {
  return coversCallers(wide, narrow) && coversRequests(wide, narrow);
}

/** True if `wide` matches every caller that `narrow` matches. */
export function coversCallers(wide: Candidate, narrow: Candidate): boolean {
  return ofCallers.every(({ covers }) => covers(wide, narrow));
}

/**
 * Compares all conditions except those about the caller. True if `wide` allows every request that
 * `narrow` allows.
 */
export function coversRequests(wide: Candidate, narrow: Candidate): boolean {
  return ofRequests.every(({ covers }) => covers(wide, narrow));
}

/**
 * The longest lifetime of a token, in seconds. It is the lowest of four values: the grant's limit,
 * the service account's limit, the platform's limit, and the time until the grant ends.
 */
export function maxTtlOf({ grant }: Candidate, serviceAccount: ServiceAccount, now: EpochMs): number {
  const limits = [grant.maxTtlSeconds, serviceAccount.maxTtlSeconds, MAX_TTL_SECONDS];
  return Math.min(...limits, secondsLeft(grant, now));
}

/** Whole seconds until a grant ends. Infinity if it does not end. */
export function secondsLeft({ until }: Pick<Grant, "until">, now: EpochMs): number {
  return until === undefined ? Infinity : Math.floor((until - now) / 1000);
}

/**
 * The lifetime that the token is to have, in seconds. For a token request: the lifetime in the
 * request, even if it is above the maximum (`authorize` refuses that later). If the request has
 * none: 300, or the maximum if that is below 300. For a call: 60, or the maximum if that is below
 * 60.
 */
export function wantedTtl(request: AccessRequest, maxTtlSeconds: number): number {
  if ("method" in request) return Math.min(METHOD_TTL_SECONDS, maxTtlSeconds);
  return request.ttlSeconds ?? Math.min(DEFAULT_TTL_SECONDS, maxTtlSeconds);
}

/**
 * Says why the ARN in a grant does not match the caller. Undefined if it matches.
 */
function unmetArn({ pattern }: Candidate, { caller }: Pick<Question, "caller">): string | undefined {
  const wanted = splitPrincipalArn(pattern.arn);
  if (!wanted) return `is for ${pattern.arn}, which is neither a role nor a user`;
  if (matchesPrincipal(wanted, caller)) return undefined;
  if (wanted.kind !== caller.kind) return `is for a ${wanted.kind}, the caller is a ${caller.kind}`;
  if (wanted.partition !== caller.partition) {
    return `is for partition ${wanted.partition}, the caller is in ${caller.partition}`;
  }
  const reasons = [
    ...(matchesGlob(wanted.accountId, caller.accountId)
      ? []
      : [`is for account ${wanted.accountId}, the caller is in ${caller.accountId}`]),
    ...(matchesGlob(wanted.name, caller.name)
      ? []
      : [`is for the ${wanted.kind} ${wanted.name}, the caller is ${caller.name}`]),
  ];
  return reasons.join(" and ");
}
