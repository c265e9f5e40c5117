import { MAX_TTL_SECONDS } from "../grants/policy.ts";

/** How long a warm container of the vending function may use a key: contract §5. */
export interface KeyLifetimes {
  readonly signingKeyTtlSeconds: number;
  readonly signingKeyMaxStaleSeconds: number;
}

/** For the time between Secrets Manager's answer and its arrival, and between two machines' clocks. */
const MARGIN_SECONDS = 60;

/**
 * Milliseconds from the moment a key is superseded to the moment when no container and no token can use it: a container may have fetched
 * it just before, use it for its whole time, and sign with its last breath a token that lives as long as tokens can.
 * The longest lifetime there is, not the one in grants.yml: that may have been shortened a minute ago.
 */
export function graceMs({ signingKeyTtlSeconds, signingKeyMaxStaleSeconds }: KeyLifetimes): number {
  return (signingKeyTtlSeconds + signingKeyMaxStaleSeconds + MAX_TTL_SECONDS + MARGIN_SECONDS) * 1000;
}
