/** When to do what with a token, in milliseconds of this machine's clock. */
export interface Lifetime {
  /** From here on it is renewed in the background, and served meanwhile. */
  readonly renewFrom: number;
  /** From here on callers wait for the new one: this one could end before their request arrives. */
  readonly renewBy: number;
  readonly endsAt: number;
}

/**
 * Renewal begins when 65 to 80 % of the lifetime have passed: at random, so that a fleet started together does not
 * come together; in proportion, so that a short token leaves time for retries too. The last tenth, at most 10 s, is a
 * reserve.
 *
 * Counted from when the request was sent, by this machine's clock: then it does not matter how wrong that clock is.
 *
 * @param expiresIn seconds, from the answer
 * @param random at least 0, below 1
 */
export function lifetimeOf(expiresIn: number, askedAt: number, random: number): Lifetime {
  const milliseconds = expiresIn * 1000;
  const endsAt = askedAt + milliseconds;
  return {
    renewFrom: askedAt + Math.floor(milliseconds * (0.65 + 0.15 * random)),
    renewBy: endsAt - Math.min(10_000, milliseconds / 10),
    endsAt,
  };
}
