import fc from "fast-check";
import { expect, it } from "vitest";
import { identifyCaller } from "../../lib/caller/caller.ts";
import { isFailure } from "../../lib/outcome.ts";

const account = fc.stringMatching(/^[0-9]{12}$/);
const partition = fc.stringMatching(/^aws(-[a-z]{1,8}){0,3}$/);
const name = fc.stringMatching(/^[\w+=,.@-]{1,64}$/);
const path = fc.stringMatching(/^([!-~]{0,30}\/)?$/);

it("a session has the role in front of its name as its principal, for every name that STS allows", () => {
  fc.assert(
    fc.property(partition, account, name, name, (partition, accountId, role, session) => {
      const result = identifyCaller({
        userArn: `arn:${partition}:sts::${accountId}:assumed-role/${role}/${session}`,
      });
      expect(result).toMatchObject({
        principal: `arn:${partition}:iam::${accountId}:role/${role}`,
        sessionName: session,
      });
    }),
  );
});

it("a session has no other role as its principal, for any name", () => {
  fc.assert(
    fc.property(account, name, fc.string({ unit: "grapheme" }), (accountId, role, session) => {
      const result = identifyCaller({ userArn: `arn:aws:sts::${accountId}:assumed-role/${role}/${session}` });
      if (!isFailure(result)) expect(result.principal).toBe(`arn:aws:iam::${accountId}:role/${role}`);
    }),
  );
});

it("a user's canonical ARN is its own ARN", () => {
  fc.assert(
    fc.property(partition, account, path, name, (partition, accountId, path, user) => {
      const userArn = `arn:${partition}:iam::${accountId}:user/${path}${user}`;
      const result = identifyCaller({ userArn });
      expect(result).toMatchObject({ principal: userArn, kind: "user" });
    }),
  );
});

it("two callers have the same principal only if they are the same role or user", () => {
  const arn = fc.oneof(
    fc.tuple(account, name, name).map(([a, n, s]) => `arn:aws:sts::${a}:assumed-role/${n}/${s}`),
    fc.tuple(account, path, name).map(([a, p, n]) => `arn:aws:iam::${a}:user/${p}${n}`),
  );
  const withoutSession = (userArn: string) =>
    userArn.includes(":assumed-role/") ? userArn.replace(/\/[^/]*$/, "") : userArn;
  fc.assert(
    fc.property(arn, arn, (one, other) => {
      const [a, b] = [identifyCaller({ userArn: one }), identifyCaller({ userArn: other })];
      const same = !isFailure(a) && !isFailure(b) && a.principal === b.principal;
      expect(same).toBe(withoutSession(one) === withoutSession(other));
    }),
  );
});

it("identifyCaller refuses ordinary text without throwing", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (userArn) => {
      expect(identifyCaller({ userArn })).toMatchObject({ reason: "unauthenticated" });
    }),
  );
});
