import { describe, expect, it } from "vitest";
import { identifyCaller } from "../../lib/caller/caller.ts";
import { isFailure } from "../../lib/outcome.ts";

const ACCOUNT = "111122223333";

describe("the caller of a role session", () => {
  it.each([
    ["aws", "billing-worker", "i-0abc", "arn:aws:iam::111122223333:role/billing-worker"],
    ["aws-cn", "billing-worker", "s3", "arn:aws-cn:iam::111122223333:role/billing-worker"],
    ["aws-us-gov", "billing-worker", "s3", "arn:aws-us-gov:iam::111122223333:role/billing-worker"],
    ["aws-iso", "r", "s3", "arn:aws-iso:iam::111122223333:role/r"],
    ["aws-iso-b", "r", "s3", "arn:aws-iso-b:iam::111122223333:role/r"],
    ["aws-iso-e", "r", "s3", "arn:aws-iso-e:iam::111122223333:role/r"],
    ["aws-iso-f", "r", "s3", "arn:aws-iso-f:iam::111122223333:role/r"],
    ["aws-eusc", "r", "s3", "arn:aws-eusc:iam::111122223333:role/r"],
    ["aws-of-tomorrow", "r", "s3", "arn:aws-of-tomorrow:iam::111122223333:role/r"],
    ["aws", "A_b+c=d,e.f@g-1", "alice@example.com", "arn:aws:iam::111122223333:role/A_b+c=d,e.f@g-1"],
    ["aws", "r".repeat(64), "s".repeat(64), `arn:aws:iam::111122223333:role/${"r".repeat(64)}`],
  ])("is the role: partition %s, role %s, session %s", (partition, name, sessionName, principal) => {
    const userArn = `arn:${partition}:sts::${ACCOUNT}:assumed-role/${name}/${sessionName}`;
    expect(identifyCaller({ userArn })).toEqual({
      principal,
      kind: "role",
      partition,
      accountId: ACCOUNT,
      name,
      sessionName,
    });
  });

  it("is the same principal whatever the session name", () => {
    const principals = ["a", "billing-worker", "admin@example.com", "role=billing-worker"].map((session) => {
      const result = identifyCaller({ userArn: `arn:aws:sts::${ACCOUNT}:assumed-role/intern/${session}` });
      return !isFailure(result) && result.principal;
    });
    expect(new Set(principals)).toEqual(new Set([`arn:aws:iam::${ACCOUNT}:role/intern`]));
  });
});

describe("the caller of a user", () => {
  it.each([
    ["alice", "arn:aws:iam::111122223333:user/alice"],
    ["ops/alice", "arn:aws:iam::111122223333:user/ops/alice"],
    ["a/b/c/alice", "arn:aws:iam::111122223333:user/a/b/c/alice"],
    ["team:ops!/alice", "arn:aws:iam::111122223333:user/team:ops!/alice"],
    [`${"p".repeat(510)}/alice`, `arn:aws:iam::111122223333:user/${"p".repeat(510)}/alice`],
  ])("keeps the user's path: %s", (name, principal) => {
    expect(identifyCaller({ userArn: principal })).toEqual({
      principal,
      kind: "user",
      partition: "aws",
      accountId: ACCOUNT,
      name,
    });
  });
});

it.each(["aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-f", "aws-eusc"])(
  "identifyCaller accepts IAM users of partition %s",
  (partition) => {
    const userArn = `arn:${partition}:iam::${ACCOUNT}:user/alice`;
    expect(identifyCaller({ userArn })).toMatchObject({ principal: userArn, partition });
  },
);

describe("an identity that is neither a role session nor a user", () => {
  it.each([
    ["missing", undefined, "the event's userArn is undefined: is the method set to AWS_IAM?"],
    ["null", null, "the event's userArn is null: is the method set to AWS_IAM?"],
    ["empty", "", "the event's userArn is empty: is the method set to AWS_IAM?"],
    ["root", "arn:aws:iam::111122223333:root", "an account's root user"],
    ["a federated user", "arn:aws:sts::111122223333:federated-user/alice", "a federated user"],
    ["a role itself", "arn:aws:iam::111122223333:role/billing-worker", "a role itself"],
    ["a group", "arn:aws:iam::111122223333:group/ops", "something else"],
    ["an account", "111122223333", "something else"],
    ["the word null", "null", "something else"],
    [
      "a service's session",
      "arn:aws:sts::111122223333:assumed-role/aws:ec2-instance/i-0abc",
      "would not allow",
    ],
    ["no session", "arn:aws:sts::111122223333:assumed-role/billing-worker", "would not allow"],
    ["an empty session", "arn:aws:sts::111122223333:assumed-role/billing-worker/", "would not allow"],
    ["an empty role", "arn:aws:sts::111122223333:assumed-role//session", "would not allow"],
    ["a user without a name", "arn:aws:iam::111122223333:user/", "something else"],
    ["a user with only a path", "arn:aws:iam::111122223333:user/ops/", "something else"],
    ["an assumed role in iam", "arn:aws:iam::111122223333:assumed-role/r/s", "would not allow"],
    ["a user in sts", "arn:aws:sts::111122223333:user/alice", "something else"],
    ["a region", "arn:aws:sts:us-east-1:111122223333:assumed-role/r/s", "would not allow"],
    ["a short account", "arn:aws:sts::11112222333:assumed-role/r/s", "would not allow"],
    ["a long account", "arn:aws:sts::1111222233334:assumed-role/r/s", "would not allow"],
    ["digits of another script", "arn:aws:sts::１１１１２２２２３３３３:assumed-role/r/s", "would not allow"],
    [
      "a partition that does not begin with aws",
      "arn:evil:sts::111122223333:assumed-role/r/s",
      "would not allow",
    ],
    ["a partition with a digit", "arn:aws-1:sts::111122223333:assumed-role/r/s", "would not allow"],
    ["a partition with an empty part", "arn:aws--cn:sts::111122223333:assumed-role/r/s", "would not allow"],
    ["a partition that ends with a hyphen", "arn:aws-:sts::111122223333:assumed-role/r/s", "would not allow"],
    ["a partition with capital letters", "arn:aws-CN:sts::111122223333:assumed-role/r/s", "would not allow"],
    ["an empty partition", "arn::sts::111122223333:assumed-role/r/s", "would not allow"],
    ["text in front", "x arn:aws:sts::111122223333:assumed-role/r/s", "would not allow"],
    ["text in front of a user", "x arn:aws:iam::111122223333:user/alice", "something else"],
    ["a user of a partition with a digit", "arn:aws-iso-1:iam::111122223333:user/alice", "something else"],
    ["colons behind root", "arn:aws:iam::111122223333:ro:ot", "something else"],
    ["a line in front", "x\narn:aws:sts::111122223333:assumed-role/r/s", "would not allow"],
    ["a line break behind", "arn:aws:sts::111122223333:assumed-role/r/s\n", "would not allow"],
    ["a line break behind a user", "arn:aws:iam::111122223333:user/alice\n", "something else"],
    ["a line break in a path", "arn:aws:iam::111122223333:user/a\n/alice", "something else"],
    ["a path longer than IAM's", `arn:aws:iam::111122223333:user/${"p".repeat(511)}/alice`, "something else"],
    ["a name longer than IAM's", `arn:aws:iam::111122223333:user/${"n".repeat(65)}`, "something else"],
    ["a wildcard in a role", "arn:aws:sts::111122223333:assumed-role/*/session", "would not allow"],
    ["another letter case", "ARN:aws:sts::111122223333:assumed-role/r/s", "would not allow"],
  ])("is refused: %s", (_, userArn, detail) => {
    const result = identifyCaller({ userArn });
    expect(result).toEqual({ reason: "unauthenticated", detail: expect.stringContaining(detail) as string });
  });

  it.each([
    "x/../role/billing-worker",
    "x/role/billing-worker",
    "arn:aws:iam::111122223333:role/billing-worker",
    "x:role/billing-worker",
    "billing-worker/session",
    "billing-worker\u2028",
    "bílling-worker",
    "x%2Frole%2Fbilling-worker",
    "x\u0000",
    " ",
  ])("is refused if the session name imitates another principal: %j", (session) => {
    const userArn = `arn:aws:sts::${ACCOUNT}:assumed-role/intern/${session}`;
    expect(identifyCaller({ userArn })).toMatchObject({ reason: "unauthenticated" });
  });

  it("is quoted on one line with at most 256 characters of its ARN", () => {
    const result = identifyCaller({ userArn: "\n".repeat(100_000) });
    expect(result).toMatchObject({ reason: "unauthenticated" });
    const { detail } = result as { detail: string };
    expect(detail.length).toBeLessThan(700);
    expect(detail).not.toContain("\n");
  });
});

describe("the caller's unique id", () => {
  const role = `arn:aws:sts::${ACCOUNT}:assumed-role/billing-worker/session`;
  const user = `arn:aws:iam::${ACCOUNT}:user/alice`;
  it.each([
    [
      "is the part of userId before the colon for a role session",
      role,
      "AROAEXAMPLEID:session",
      "AROAEXAMPLEID",
    ],
    ["is the whole userId for a user", user, "AIDAEXAMPLEID", "AIDAEXAMPLEID"],
    ["is absent if a role has a user's id", role, "AIDAEXAMPLEID:session", undefined],
    ["is absent if a user has a role's id", user, "AROAEXAMPLEID", undefined],
    ["is absent if only the session name looks like an id", role, "X:AROAEXAMPLEID", undefined],
    ["is absent if userId is null", role, null, undefined],
    ["is absent if userId is missing", role, undefined, undefined],
    ["is absent if userId is empty", role, "", undefined],
  ])("%s", (_, userArn, userId, uniqueId) => {
    const result = identifyCaller({ userArn, userId });
    expect(!isFailure(result) && result.uniqueId).toBe(uniqueId);
  });
});

describe("the caller's organisation", () => {
  const userArn = `arn:aws:iam::${ACCOUNT}:user/alice`;
  it("is the event's principalOrgId", () => {
    const result = identifyCaller({ userArn, principalOrgId: "o-a1b2c3d4e5" });
    expect(!isFailure(result) && result.organizationId).toBe("o-a1b2c3d4e5");
  });
  it.each([undefined, null, ""])("is absent if the event has %j", (principalOrgId) => {
    const result = identifyCaller({ userArn, principalOrgId });
    expect(!isFailure(result) && "organizationId" in result).toBe(false);
  });
});
