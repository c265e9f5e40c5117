import { describe, expect, it } from "vitest";
import { authorize, indexGrants, listEntitlements } from "../../lib/grants/authorize.ts";
import { formatProblem, parseGrants } from "../../lib/grants/parse.ts";
import { parseTime, parseUntil } from "../../lib/grants/until.ts";
import { callerOf, grant, NOW, policy, roleArn } from "../fakes/policy.ts";

describe("the end of a grant", () => {
  it.each([
    ["2026-12-31", "2027-01-01T00:00:00.000Z"],
    ["2028-02-29", "2028-03-01T00:00:00.000Z"],
    ["2026-12-31T18:00:00Z", "2026-12-31T18:00:00.000Z"],
    ["2026-12-31T18:00:00+01:00", "2026-12-31T17:00:00.000Z"],
    ["2026-12-31T18:00-05:30", "2026-12-31T23:30:00.000Z"],
    ["2026-12-31T18:00:00.500Z", "2026-12-31T18:00:00.500Z"],
  ])("%s is %s", (text, time) => {
    expect(new Date(parseUntil(text) ?? NaN).toISOString()).toBe(time);
  });

  const wrong = [
    "2026-02-31",
    "2027-02-29",
    "2026-13-01",
    "2026-00-10",
    "0099-13-01",
    "20266-01-01",
    "26-01-01",
    "2026-1-1",
    "2026/12/31",
    "31.12.2026",
    "2026-12-31T18:00:00",
    "2026-12-31T24:00:00Z",
    "2026-12-31T18:60:00Z",
    "2026-12-31T23:59:60Z",
    "2026-12-31T18:00:00+24:00",
    "2026-12-31T18:00:00+0100",
    "2026-12-31T18:00:00 Z",
    "2026-12-31 18:00:00Z",
    "2026-12-31t18:00:00z",
    "2026-02-31T18:00:00Z",
    "2026-12-31Z",
    "2026-365",
    "1798675200",
    "tomorrow",
    "",
    " 2026-12-31",
    "2026-12-31\n",
    "x2026-12-31",
    "2026-12-31x",
    "x2026-12-31T18:00:00Z",
    "2026-12-31T18:00:00Zx",
  ];
  it.each(wrong)("is not %j", (text) => {
    expect(parseUntil(text)).toBeUndefined();
    expect(parseTime(text)).toBeUndefined();
  });

  const file = (until: string) => `
serviceAccounts: {calls: {secret: s, accountId: 1}}
grants:
  - principals: [arn:aws:iam::111122223333:role/a]
    serviceAccounts: [calls]
    until: ${until}
`;

  it.each(["2026-12-31", '"2026-12-31"', "2026-12-31T18:00:00+01:00"])(
    "may stand in the file as %s",
    (until) => {
      expect(parseGrants(file(until), "grants.yml")).toHaveProperty("policy.grants.0.until");
    },
  );

  it.each([...wrong.map((text) => JSON.stringify(text)), "20261231", "[2026-12-31]", "null", "true"])(
    "gets an error that says how to write it: %s",
    (until) => {
      const parsed = parseGrants(file(until), "grants.yml");
      if (!("problems" in parsed)) throw new Error("it was accepted");
      expect(parsed.problems.map(formatProblem)).toEqual([
        expect.stringMatching(/^grants\.yml:6:\d+: .*2026-12-31T18:00:00\+01:00/s),
      ]);
    },
  );

  const warningsAt = (now: number) => {
    const parsed = parseGrants(file("2026-12-31"), "grants.yml", undefined, now);
    return "warnings" in parsed ? parsed.warnings.map(({ message }) => message) : [];
  };
  const end = Date.UTC(2027, 0, 1);
  it.each([
    [-15, []],
    [-14, ["the grant ends at 2027-01-01T00:00:00Z, in 14 days"]],
    [-1.5, ["the grant ends at 2027-01-01T00:00:00Z, in 1 day"]],
    [-0.5, ["the grant ends at 2027-01-01T00:00:00Z, within a day"]],
    [0, ["the grant is over since 2027-01-01T00:00:00Z: remove it"]],
    [400, ["the grant is over since 2027-01-01T00:00:00Z: remove it"]],
  ])("is warned of at %d days: %j", (days, messages) => {
    expect(warningsAt(end + days * 86_400_000)).toEqual(messages);
  });
});

describe("a decision near the end of a grant", () => {
  const caller = callerOf(roleArn("intern"));
  const index = indexGrants(
    policy(grant([roleArn("intern")], ["calls"], { source: "grants.yml:4", until: NOW })),
  );
  const decide = (secondsBefore: number, ttlSeconds?: number) => {
    const request = { serviceAccount: "calls", ...(ttlSeconds === undefined ? {} : { ttlSeconds }) };
    return authorize(index, caller, request, NOW - secondsBefore * 1000);
  };

  it.each([
    // Seconds before the end, asked for, the lifetime or the reason.
    [3600, 3600, { ttlSeconds: 3600 }],
    [3599, 3600, { reason: "ttl_too_long", maxTtlSeconds: 3599 }],
    [300, undefined, { ttlSeconds: 300 }],
    [100.9, undefined, { ttlSeconds: 100 }],
    [100, 300, { reason: "ttl_too_long", maxTtlSeconds: 100 }],
    [30, 30, { ttlSeconds: 30 }],
    [29.999, 30, { reason: "access_denied" }],
    [10, 300, { reason: "access_denied" }],
    [0, 30, { reason: "access_denied" }],
    [-1, 30, { reason: "access_denied" }],
  ])("%d s before it, for %s s: %j", (before, asked, expected) => {
    expect(decide(before, asked)).toMatchObject(expected);
  });

  it("names the grant that is over, and since when", () => {
    const over = new Date(NOW).toISOString().replace(".000Z", "Z");
    expect(decide(-1)).toMatchObject({
      detail: expect.stringContaining(`grants.yml:4 is over since ${over}`) as string,
    });
    expect(decide(10)).toMatchObject({
      detail: expect.stringContaining(`ends at ${over}, in less than 30 s`) as string,
    });
  });

  it("carries the end, so that no token outlives it", () => {
    expect(decide(100)).toMatchObject({ until: NOW });
  });

  it("leaves nothing in the list of entitlements once it is over", () => {
    expect(listEntitlements(index, caller, NOW - 100_000)).toMatchObject([
      { name: "calls", maxTtlSeconds: 100 },
    ]);
    expect(listEntitlements(index, caller, NOW)).toEqual([]);
  });
});
