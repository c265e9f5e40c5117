import { MAX_TTL_SECONDS } from "../grants/policy.ts";

/** How long a warm container of vend-token or call-method may use a key: docs/keys.md. */
export interface KeyLifetimes {
  readonly signingKeyTtlSeconds: number;
  readonly signingKeyMaxStaleSeconds: number;
}

/** Covers the time that Secrets Manager's answer takes, and the difference between two clocks. */
const MARGIN_SECONDS = 60;

/**
 * Milliseconds until no container and no token can use a superseded key. A container may fetch the
 * key just before it is superseded, use it for as long as {@link KeyLifetimes} allows, and sign a
 * token at the end of that time. This token is assumed to have the longest lifetime that is
 * possible, because the limit in grants.yml may have been lowered a minute ago.
 */
export function graceMs({ signingKeyTtlSeconds, signingKeyMaxStaleSeconds }: KeyLifetimes): number {
  return (signingKeyTtlSeconds + signingKeyMaxStaleSeconds + MAX_TTL_SECONDS + MARGIN_SECONDS) * 1000;
}
