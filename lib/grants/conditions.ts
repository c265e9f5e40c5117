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

/** One principal of one grant. */
export interface Candidate {
  readonly grant: Grant;
  readonly pattern: PrincipalPattern;
}

/** A caller and its request at a moment. */
export interface Question {
  readonly caller: Caller;
  readonly request: AccessRequest;
  readonly now: EpochMs;
}

/** What is known without a request. */
type Presence = Omit<Question, "request">;

interface Covering {
  /**
   * Whether every question that meets this condition of `narrow` also meets that of `wide`. False
   * if it is not certain: a grant that is wrongly called redundant gets removed.
   */
  readonly covers: (wide: Candidate, narrow: Candidate) => boolean;
}

/**
 * One condition of a grant. `unmet` gives the reason why the condition is not met, as the rest of a
 * sentence that begins with the grant, or undefined where it is met.
 */
export type Condition = Covering &
  (
    | {
        /** Entitlements are listed without a request, so they skip the conditions that need one. */
        readonly needsRequest: true;
        readonly unmet: (candidate: Candidate, question: Question) => string | undefined;
      }
    | {
        readonly needsRequest: false;
        readonly unmet: (candidate: Candidate, question: Presence) => string | undefined;
      }
  );

/** An entry for each field of a grant and of its principals that can restrict it. */
export type ConditionsOf<G extends Grant, P extends PrincipalPattern> = Readonly<
  Record<Exclude<keyof G | keyof P, "source" | "principals">, Condition>
>;

/**
 * All conditions of a grant. The decision, its explanation, the entitlements and the search for
 * redundant grants all use this table. If one of them missed a field, the service would give a
 * token that the grant does not allow, or lint would recommend the removal of a grant that is
 * needed. A new field of {@link Grant} or {@link PrincipalPattern} does not compile without an
 * entry.
 */
export const conditions = {
  arn: {
    needsRequest: false,
    unmet: unmetArn,
    covers: ({ pattern: wide }, { pattern: narrow }) => {
      if (wide.arn === narrow.arn) return true;
      const [a, b] = [splitPrincipalArn(wide.arn), splitPrincipalArn(narrow.arn)];
      return a && b ? coversPrincipal(a, b) : false;
    },
  },
  // Only the pinned role or user itself, not another one created later under the same name.
  uniqueId: {
    needsRequest: false,
    unmet: ({ pattern: { uniqueId } }, { caller }) =>
      uniqueId === undefined || uniqueId === caller.uniqueId
        ? undefined
        : `is pinned to ${uniqueId}, the caller is ${caller.uniqueId ?? "without a unique id"}`,
    covers: ({ pattern: wide }, { pattern: narrow }) =>
      wide.uniqueId === undefined || wide.uniqueId === narrow.uniqueId,
  },
  principalOrgId: {
    needsRequest: false,
    unmet: ({ grant: { principalOrgId } }, { caller }) =>
      principalOrgId === undefined || principalOrgId === caller.organizationId
        ? undefined
        : `asks for organisation ${principalOrgId}, the caller is of ${caller.organizationId ?? "none"}`,
    covers: ({ grant: wide }, { grant: narrow }) =>
      wide.principalOrgId === undefined || wide.principalOrgId === narrow.principalOrgId,
  },
  serviceAccounts: {
    needsRequest: true,
    unmet: ({ grant: { serviceAccounts } }, { request }) =>
      serviceAccounts.includes(request.serviceAccount) ? undefined : `is for ${serviceAccounts.join(", ")}`,
    covers: ({ grant: wide }, { grant: narrow }) =>
      narrow.serviceAccounts.every((name) => wide.serviceAccounts.includes(name)),
  },
  childAccountIds: {
    needsRequest: true,
    unmet: ({ grant: { childAccountIds } }, { request }) => {
      if (request.accountId === undefined || childAccountIds.includes(request.accountId)) return undefined;
      const ids = childAccountIds.join(", ");
      return ids === "" ? "lists no child accounts" : `lists only the child accounts ${ids}`;
    },
    covers: ({ grant: wide }, { grant: narrow }) =>
      narrow.childAccountIds.every((id) => wide.childAccountIds.includes(id)),
  },
  // A token lives for at least 30 s, so a grant with less time left cannot give one.
  until: {
    needsRequest: false,
    unmet: ({ grant: { until } }, { now }) => {
      if (until === undefined || !isOver({ until }, now)) return undefined;
      return now >= until
        ? `is over since ${formatTime(until)}`
        : `ends at ${formatTime(until)}, in less than ${MIN_TTL_SECONDS} s`;
    },
    covers: ({ grant: { until: wide } }, { grant: { until: narrow } }) =>
      wide === undefined || (narrow !== undefined && wide >= narrow),
  },
  // A grant of methods gives no token: with one, the caller could call every method.
  methods: {
    needsRequest: true,
    unmet: ({ grant: { methods } }, { request }) => {
      const method = methodOf(request);
      if (methods === undefined) return method === undefined ? undefined : "gives tokens and no calls";
      if (method === undefined) return `gives calls of ${methods.join(", ")} and no token`;
      return methods.some((pattern) => matchesMethod(pattern, method))
        ? undefined
        : `gives calls of ${methods.join(", ")}, not of ${method}`;
    },
    covers: ({ grant: { methods: wide } }, { grant: { methods: narrow } }) =>
      wide === undefined || narrow === undefined
        ? wide === narrow
        : narrow.every((pattern) => wide.some((wider) => coversMethods(wider, pattern))),
  },
  maxTtlSeconds: {
    needsRequest: true,
    // A limit on the grants that fit. Over it, the caller gets `ttl_too_long` with the maximum.
    unmet: () => undefined,
    covers: ({ grant: wide }, { grant: narrow }) => wide.maxTtlSeconds >= narrow.maxTtlSeconds,
  },
} satisfies ConditionsOf<Grant, PrincipalPattern>;

const all: readonly Condition[] = Object.values(conditions);

/** The conditions of a grant that a question does not meet, as text; empty if the grant fits. */
export function unmetConditions(candidate: Candidate, question: Question): string[] {
  return all.flatMap((condition) => condition.unmet(candidate, question) ?? []);
}

/** Whether a grant gives nothing any more. */
export function isOver({ until }: Pick<Grant, "until">, now: EpochMs): boolean {
  return until !== undefined && until - now < MIN_TTL_SECONDS * 1000;
}

/** Whether a grant is for a caller, whatever the request. */
export function isFor(candidate: Candidate, caller: Caller, now: EpochMs): boolean {
  return all.every(
    (condition) => condition.needsRequest || condition.unmet(candidate, { caller, now }) === undefined,
  );
}

/** Whether one grant gives everything that another one gives, to every caller of that one. */
export function coversGrant(wide: Grant, narrow: Grant): boolean {
  return narrow.principals.every((narrowPattern) =>
    wide.principals.some((widePattern) =>
      coversCandidate({ grant: wide, pattern: widePattern }, { grant: narrow, pattern: narrowPattern }),
    ),
  );
}

/** The same for one principal of each grant. */
export function coversCandidate(wide: Candidate, narrow: Candidate): boolean {
  return all.every(({ covers }) => covers(wide, narrow));
}

/** True if `wide` matches every caller that `narrow` matches. */
export function coversCallers(wide: Candidate, narrow: Candidate): boolean {
  const { arn, uniqueId, principalOrgId } = conditions;
  return [arn, uniqueId, principalOrgId].every(({ covers }) => covers(wide, narrow));
}

/**
 * Seconds: the grant, the service account and the platform each set a limit, and so does the end of
 * the grant.
 */
export function maxTtlOf({ grant }: Candidate, serviceAccount: ServiceAccount, now: EpochMs): number {
  const left = grant.until === undefined ? Infinity : Math.floor((grant.until - now) / 1000);
  return Math.min(grant.maxTtlSeconds, serviceAccount.maxTtlSeconds, MAX_TTL_SECONDS, left);
}

/**
 * Seconds: the lifetime in the request. Without one: 300 for a token, 60 for a call, or the maximum
 * if that is lower.
 */
export function wantedTtl(request: AccessRequest, maxTtlSeconds: number): number {
  if ("method" in request) return Math.min(METHOD_TTL_SECONDS, maxTtlSeconds);
  return request.ttlSeconds ?? Math.min(DEFAULT_TTL_SECONDS, maxTtlSeconds);
}

/** In a decision candidatesFor has compared ARNs already. An explanation shows more grants. */
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
      : [`is for account ${wanted.accountId}, the caller is of ${caller.accountId}`]),
    ...(matchesGlob(wanted.name, caller.name)
      ? []
      : [`is for the ${wanted.kind} ${wanted.name}, the caller is ${caller.name}`]),
  ];
  return reasons.join(" and ");
}
