import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { MAX_TTL_SECONDS, MIN_TTL_SECONDS } from "../../lib/grants/policy.ts";
import { tokenClaims } from "../../lib/token/claims.ts";

const noon = Date.UTC(2026, 10, 24, 12) / 1000;

describe("the claims of a token", () => {
  it.each([
    [30, 30],
    [300, 300],
    [3595, 3595],
    [3596, 3595],
    [3600, 3595],
  ])("for a lifetime of %i s end %i s from now", (ttlSeconds, expected) => {
    const { iat, exp } = tokenClaims(1234567, ttlSeconds, noon * 1000);
    expect(exp - noon).toBe(expected);
    expect(iat).toBe(noon - 5);
  });

  it("end with the grant, however late the token is minted", () => {
    const now = 1_795_521_600_000;
    expect(tokenClaims(1, 300, now, undefined, now + 100_900).exp).toBe(now / 1000 + 100);
    expect(tokenClaims(1, 300, now, undefined, now + 400_000).exp).toBe(now / 1000 + 300);
  });

  it("round the clock down to whole seconds", () => {
    expect(tokenClaims(1, 60, noon * 1000 + 999)).toEqual({ iss: 1, iat: noon - 5, exp: noon + 60 });
  });

  it("include sub and jti only if they are given", () => {
    const identity = { sub: "arn:aws:iam::111122223333:role/billing-worker", jti: "id-1" };
    expect(tokenClaims(1, 60, noon * 1000, identity)).toMatchObject(identity);
    expect(Object.keys(tokenClaims(1, 60, noon * 1000))).toEqual(["iss", "iat", "exp"]);
  });

  it("are never valid for more than 3600 s nor longer than was granted", () => {
    const ttl = fc.integer({ min: MIN_TTL_SECONDS, max: MAX_TTL_SECONDS });
    const now = fc.integer({ min: 0, max: 4_102_444_800_000 });
    fc.assert(
      fc.property(ttl, now, (ttlSeconds, milliseconds) => {
        const { iat, exp } = tokenClaims(1, ttlSeconds, milliseconds);
        expect(exp - iat).toBeLessThanOrEqual(3600);
        expect(exp).toBeLessThanOrEqual(milliseconds / 1000 + ttlSeconds);
        expect([iat, exp].every(Number.isSafeInteger)).toBe(true);
      }),
    );
  });
});
