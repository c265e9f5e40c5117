import type { Caller } from "../caller/caller.ts";
import type { EpochMs } from "../epoch.ts";
import { authorize, indexGrants } from "./authorize.ts";
import { describeGrants, explain } from "./explain.ts";
import { type AccessRequest, type Grant, methodOf, type Policy } from "./policy.ts";
import type { Position } from "./yaml-source.ts";

/** A request of the grants file's `tests`, and what its decision must be. */
export interface GrantTest extends Position {
  readonly caller: Caller;
  readonly request: AccessRequest;
  /** Absent: the moment of checking. */
  readonly at?: EpochMs;
  readonly expect: "allowed" | "denied";
}

export interface TestResult {
  readonly test: GrantTest;
  readonly actual: "allowed" | "denied";
  /** Why, for the policy's owner. */
  readonly why: string;
}

/** What the policy decides for each test. A test passes if `actual` is equal to `expect`. */
export function runTests(policy: Policy, tests: readonly GrantTest[], now: EpochMs): TestResult[] {
  const index = indexGrants(policy);
  return tests.map((test) => {
    const decision = authorize(index, test.caller, test.request, test.at ?? now);
    if ("reason" in decision) return { test, actual: "denied", why: decision.detail };
    const what = methodOf(test.request) === undefined ? `${decision.ttlSeconds} s` : "a call";
    return { test, actual: "allowed", why: `${what}, by ${decision.grant}` };
  });
}

export function hasPassed({ test, actual }: TestResult): boolean {
  return actual === test.expect;
}

/**
 * The expected and the actual decision, then the grants that fit or the nearest ones, in the words
 * of `voxtoken admin explain`. The caller of this function wraps the lines, if it prints text.
 */
export function describeFailure({ test, actual, why }: TestResult, policy: Policy, now: EpochMs): string[] {
  const { grants } = explain(policy, test.caller, test.request, test.at ?? now);
  return [`expected ${test.expect}, is ${actual}: ${why}`, ...describeGrants(grants)];
}

/**
 * Grants that can be removed without a failing test. The tests do not notice a mistake in them.
 */
export function untestedGrants(policy: Policy, tests: readonly GrantTest[], now: EpochMs): Grant[] {
  const passing = runTests(policy, tests, now)
    .filter((result) => result.actual === "allowed" && hasPassed(result))
    .map(({ test }) => test);
  return policy.grants.filter((grant) => {
    const without = { ...policy, grants: policy.grants.filter((other) => other !== grant) };
    return runTests(without, passing, now).every(hasPassed);
  });
}
