import { expect, it } from "vitest";
import { formatProblem, parseGrants } from "../../lib/grants/parse.ts";

/**
 * Files as people break them. Each message has to say enough to mend the file without any other
 * help.
 */
function problemsOf(text: string): string {
  const result = parseGrants(text, "grants.yml");
  if ("policy" in result) throw new Error("the file is valid");
  return result.problems.map(formatProblem).join("\n");
}

/** A file whose only grant is the given one. */
const withGrant = (grant: string) => `serviceAccounts:
  outbound-calls: { secret: voximplant/outbound-calls }
  call-history: { secret: voximplant/call-history }
grants:
${grant}`;

const withPrincipal = (principal: string) =>
  withGrant(`  - principals:
      - ${principal}
    serviceAccounts: [outbound-calls]
`);

it("refuses an empty file and names the sections that it must have", () => {
  expect(problemsOf("")).toMatchInlineSnapshot(
    `"grants.yml:1:1: the file must be a mapping with \`serviceAccounts\` and \`grants\`, not empty"`,
  );
});

it("refuses a file of comments alone as it refuses an empty one", () => {
  expect(problemsOf("# nothing here\n")).toMatchInlineSnapshot(
    `"grants.yml:1:1: the file must be a mapping with \`serviceAccounts\` and \`grants\`, not empty"`,
  );
});

it("refuses a list in place of the mapping", () => {
  expect(problemsOf("- arn:aws:iam::111122223333:role/x\n")).toMatchInlineSnapshot(
    `"grants.yml:1:1: the file must be a mapping with \`serviceAccounts\` and \`grants\`, not a list"`,
  );
});

it("reports a misspelt section and suggests the right name", () => {
  expect(
    problemsOf(`serviceAccount:
  outbound-calls: { secret: a }
grants: []
`),
  ).toMatchInlineSnapshot(`
    "grants.yml:1:1: the file lacks serviceAccounts, which must be a mapping from names to service accounts ({} for none)
    grants.yml:1:1: unknown field "serviceAccount" (did you mean "serviceAccounts"?)"
  `);
});

it("reports a section that is empty and says how to write one without entries", () => {
  expect(
    problemsOf(`serviceAccounts:
grants:
`),
  ).toMatchInlineSnapshot(`
    "grants.yml:1:17: serviceAccounts must be a mapping from names to service accounts ({} for none), not empty
    grants.yml:2:8: grants must be a list of grants ([] for none), not empty"
  `);
});

it("reports a tab in the indentation", () => {
  expect(problemsOf("serviceAccounts:\n\toutbound-calls:\n")).toMatchInlineSnapshot(
    `"grants.yml:2:1: a tab: indent with spaces"`,
  );
});

it("reports each marker of a merge conflict that is not resolved", () => {
  expect(problemsOf("serviceAccounts: {}\n<<<<<<< HEAD\ngrants: []\n=======\ngrants: [ ]\n>>>>>>> branch\n"))
    .toMatchInlineSnapshot(`
    "grants.yml:2:1: a merge conflict is not resolved: keep one of the two versions
    grants.yml:4:1: a merge conflict is not resolved: keep one of the two versions
    grants.yml:6:1: a merge conflict is not resolved: keep one of the two versions"
  `);
});

it("refuses a file in UTF-16 and says how to save it", () => {
  const utf16 = Buffer.from("\ufeffserviceAccounts: {}\ngrants: []\n", "utf16le").toString("utf8");
  expect(problemsOf(utf16)).toMatchInlineSnapshot(
    `"grants.yml:1:1: not UTF-8 text (UTF-16?): save the file as UTF-8"`,
  );
});

it("reports a no-break space outside a comment", () => {
  expect(
    problemsOf(
      "# it may be in\u00a0a comment\nserviceAccounts:\n  calls:\n\u00a0\u00a0\u00a0\u00a0secret: a\ngrants: []\n",
    ),
  ).toMatchInlineSnapshot(`"grants.yml:4:1: a no-break space: replace it by a space"`);
});

it.each([
  ["brackets", `grants: ${"[".repeat(100_000)}`, 1],
  ["brackets on many lines", `grants:${"\n  [".repeat(3_000)}`, 50],
  ["braces", `grants: ${"{a: ".repeat(10_000)}`, 1],
  ["mappings", Array.from({ length: 3_000 }, (_, depth) => `${" ".repeat(depth)}a:`).join("\n"), 51],
  ["lists", `grants:\n  ${"- ".repeat(10_000)}a`, 2],
  ["keys", `grants:\n  ${"? ".repeat(10_000)}a`, 2],
  ["brackets beside a closing one in quotes", `x: ${'["]",'.repeat(100)}${"]".repeat(100)}`, 1],
  ["brackets beside a closing one in a comment", `x:\n${"  [ # ]\n".repeat(100)}`, 50],
  ["braces beside a closing one in a key", `x: ${'{"}": '.repeat(60)}1${"}".repeat(60)}`, 1],
])("refuses %s that are nested more than 50 levels deep", (_kind, text, line) => {
  expect(problemsOf(text)).toBe(`grants.yml:${line}:1: nested more than 50 levels deep`);
});

it("counts no bracket in quotes, in a block of text or in a comment as a level", () => {
  const brackets = "[".repeat(60);
  const text = `serviceAccounts: {} # ${brackets}\ngrants: []\na: "${brackets}"\nb: |\n  ${brackets}\n`;
  expect(problemsOf(text)).not.toContain("nested");
});

it.each([
  ["arn:aws:iam:111122223333:role/calls", "arn:aws:iam::111122223333:role/calls"],
  ["arn:aws:iam::111122223333role/calls", "arn:aws:iam::111122223333:role/calls"],
  ["arn:aws:iam::111122223333/role/calls", "arn:aws:iam::111122223333:role/calls"],
  ["arn:aws:iam::111122223333:user:ops/alice", "arn:aws:iam::111122223333:user/ops/alice"],
])("reports misplaced colons in an ARN and writes it correctly: %s", (arn, right) => {
  expect(
    problemsOf(withGrant(`  - principals: ["${arn}"]\n    serviceAccounts: [outbound-calls]\n`)),
  ).toContain(`the colons are not where an ARN has them: write ${right}`);
});

it("reports a bracket that is never closed", () => {
  expect(
    problemsOf(
      withGrant("  - principals: [arn:aws:iam::111122223333:role/x\n    serviceAccounts: [outbound-calls]\n"),
    ),
  ).toMatchInlineSnapshot(
    `"grants.yml:6:5: Flow sequence in block collection must be sufficiently indented and end with a ]"`,
  );
});

it("asks for a missing space if a line cannot be read as a field", () => {
  expect(
    problemsOf(`serviceAccounts:
  outbound-calls:
    secret:voximplant/outbound-calls
    maxTtlSeconds: 900
grants: []
`),
  ).toMatchInlineSnapshot(
    `"grants.yml:3:5: cannot be read: is a space missing behind a colon, or the indentation uneven?"`,
  );
});

it("refuses a second document in the file", () => {
  expect(problemsOf("serviceAccounts: {}\ngrants: []\n---\ngrants: []\n")).toMatchInlineSnapshot(
    `"grants.yml:3:1: a second document begins here: remove the \`---\`"`,
  );
});

it("reports a key that appears twice in one mapping", () => {
  expect(
    problemsOf(`serviceAccounts:
  outbound-calls:
    secret: a
    maxTtlSeconds: 60
    secret: b
  outbound-calls:
    secret: c
grants: []
`),
  ).toMatchInlineSnapshot(`
    "grants.yml:5:5: "secret" appears twice in this mapping: remove one
    grants.yml:6:3: "outbound-calls" appears twice in this mapping: remove one"
  `);
});

it("reports missing and unknown fields and suggests the right names", () => {
  expect(
    problemsOf(
      withGrant(`  - principal: [arn:aws:iam::111122223333:role/x]
    serviceAcounts: [outbound-calls]
    maxTtl: 60
    comment: for the nightly run
`),
    ),
  ).toMatchInlineSnapshot(`
    "grants.yml:5:5: the grant lacks principals, which must be a list of ARNs
    grants.yml:5:5: the grant lacks serviceAccounts, which must be a list of names from the serviceAccounts of this file
    grants.yml:5:5: unknown field "principal" (did you mean "principals"?)
    grants.yml:6:5: unknown field "serviceAcounts" (did you mean "serviceAccounts"?)
    grants.yml:7:5: unknown field "maxTtl" (did you mean "maxTtlSeconds"?)
    grants.yml:8:5: unknown field "comment": the fields here are principals, serviceAccounts, maxTtlSeconds, childAccountIds, principalOrgId, methods, until"
  `);
});

it("refuses an accountId that is not a positive whole number", () => {
  expect(
    problemsOf(`serviceAccounts:
  a: { secret: a, accountId: "1234567" }
  b: { secret: b, accountId: 0 }
  c: { secret: c, accountId: }
  d: { secret: d, accountID: 1 }
grants: []
`),
  ).toMatchInlineSnapshot(`
    "grants.yml:2:30: accountId must be the id of a Voximplant account: a whole number, without quotes, not the text "1234567"
    grants.yml:3:30: accountId must be the id of a Voximplant account: a whole number, without quotes, not the number 0
    grants.yml:4:30: accountId must be the id of a Voximplant account: a whole number, without quotes, not empty
    grants.yml:5:19: unknown field "accountID" (did you mean "accountId"?)"
  `);
});

it("reports a service account that the file does not have and suggests a similar name", () => {
  expect(
    problemsOf(
      withGrant(`  - principals: [arn:aws:iam::111122223333:role/x]
    serviceAccounts: [outbound_calls, call-histroy, billing]
`),
    ),
  ).toMatchInlineSnapshot(`
    "grants.yml:6:23: there is no service account "outbound_calls" in this file (did you mean "outbound-calls"?)
    grants.yml:6:39: there is no service account "call-histroy" in this file (did you mean "call-history"?)
    grants.yml:6:53: there is no service account "billing" in this file"
  `);
});

it("refuses a single value for a field that must be a list", () => {
  expect(
    problemsOf(
      withGrant(`  - principals: arn:aws:iam::111122223333:role/x
    serviceAccounts: outbound-calls
    childAccountIds: 7654321
`),
    ),
  ).toMatchInlineSnapshot(`
    "grants.yml:5:17: principals must be a list of ARNs, not the text "arn:aws:iam::111122223333:role/x"
    grants.yml:6:22: serviceAccounts must be a list of names from the serviceAccounts of this file, not the text "outbound-calls"
    grants.yml:7:22: childAccountIds must be a list of account ids, not the number 7654321"
  `);
});

it("refuses a grant whose lists are empty", () => {
  expect(
    problemsOf(
      withGrant(`  - principals: []
    serviceAccounts: []
`),
    ),
  ).toMatchInlineSnapshot(`
    "grants.yml:5:17: principals must name at least one role or user, not an empty list
    grants.yml:6:22: serviceAccounts must name at least one service account, not an empty list"
  `);
});

it("refuses a lifetime that is not a whole number of seconds from 30 to 3600", () => {
  expect(
    problemsOf(`serviceAccounts:
  a: { secret: a, maxTtlSeconds: 86400 }
  b: { secret: b, maxTtlSeconds: 5m }
  c: { secret: c, maxTtlSeconds: 90.5 }
  d: { secret: d, maxTtlSeconds: "300" }
  e: { secret: e, maxTtlSeconds: 29 }
  f: { secret: f, maxTtlSeconds: }
grants: []
`),
  ).toMatchInlineSnapshot(`
    "grants.yml:2:34: maxTtlSeconds must be a whole number of seconds from 30 to 3600, not the number 86400
    grants.yml:3:34: maxTtlSeconds must be a whole number of seconds from 30 to 3600, not the text "5m"
    grants.yml:4:34: maxTtlSeconds must be a whole number of seconds from 30 to 3600, not the number 90.5
    grants.yml:5:34: maxTtlSeconds must be a whole number of seconds from 30 to 3600, not the text "300"
    grants.yml:6:34: maxTtlSeconds must be a whole number of seconds from 30 to 3600, not the number 29
    grants.yml:7:34: maxTtlSeconds must be a whole number of seconds from 30 to 3600, not empty"
  `);
});

it("refuses keys that YAML does not read as the text that is written", () => {
  expect(
    problemsOf(`serviceAccounts:
  on: { secret: no, claims: off }
  true: { secret: b }
  2024: { secret: c }
  007: { secret: d }
  <<: { secret: e }
  __proto__: { secret: f }
  ? [complex, key]
  : { secret: g }
grants: []
`),
  ).toMatchInlineSnapshot(`
    "grants.yml:2:3: on is a boolean for some YAML readers: put it in quotes if it is text
    grants.yml:3:3: the key true is not text: put it in quotes
    grants.yml:4:3: the key 2024 is not text: put it in quotes
    grants.yml:5:3: the key 007 is not text: put it in quotes
    grants.yml:6:3: merge keys (<<) are not supported: write the fields out
    grants.yml:7:3: __proto__ is not allowed as a name
    grants.yml:8:5: the key ["complex","key"] is not text: put it in quotes"
  `);
});

it("refuses numbers that YAML would change", () => {
  expect(
    problemsOf(
      withGrant(`  - principals: [012345678901, 111122223333]
    serviceAccounts: [outbound-calls]
    maxTtlSeconds: 0x12c
    childAccountIds: [007654321, 1e6, 12345678901234567890, -7, 7.5, "8"]
`),
    ),
  ).toMatchInlineSnapshot(`
    "grants.yml:5:18: 012345678901 would be read as 12345678901: write a plain decimal number, or put it in quotes if it is text
    grants.yml:5:32: principals[1] must be an ARN, or a mapping with \`arn\` and \`uniqueId\`, not the number 111122223333
    grants.yml:7:20: 0x12c would be read as 300: write a plain decimal number, or put it in quotes if it is text
    grants.yml:8:23: 007654321 would be read as 7654321: write a plain decimal number, or put it in quotes if it is text
    grants.yml:8:34: 1e6 would be read as 1000000: write a plain decimal number, or put it in quotes if it is text
    grants.yml:8:39: 12345678901234567890 would be read as 12345678901234567000: write a plain decimal number, or put it in quotes if it is text
    grants.yml:8:61: childAccountIds[3] must be the id of a child account: a whole number, without quotes, not the number -7
    grants.yml:8:65: childAccountIds[4] must be the id of a child account: a whole number, without quotes, not the number 7.5
    grants.yml:8:70: childAccountIds[5] must be the id of a child account: a whole number, without quotes, not the text "8""
  `);
});

it("asks for quotes around a wildcard", () => {
  expect(problemsOf(withPrincipal("*"))).toMatchInlineSnapshot(
    `"grants.yml:6:9: put a value that begins with * in quotes"`,
  );
});

it("asks for quotes if an alias has no anchor", () => {
  expect(problemsOf(withPrincipal("*nightly"))).toMatchInlineSnapshot(
    `"grants.yml:6:9: no anchor &nightly: if this is text, put it in quotes"`,
  );
});

it("refuses a file whose aliases expand to more than 100000 values", () => {
  expect(
    problemsOf(`serviceAccounts: {}
grants:
  - &a [x, x, x, x, x, x, x, x, x, x]
  - &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
  - &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
  - &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]
  - &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]
  - &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]
`),
  ).toMatchInlineSnapshot(`
    "grants.yml:3:8: grants[0] must be a mapping with \`principals\` and \`serviceAccounts\`, not a list
    grants.yml:4:8: grants[1] must be a mapping with \`principals\` and \`serviceAccounts\`, not a list
    grants.yml:5:8: grants[2] must be a mapping with \`principals\` and \`serviceAccounts\`, not a list
    grants.yml:6:8: grants[3] must be a mapping with \`principals\` and \`serviceAccounts\`, not a list
    grants.yml:7:8: grants[4] must be a mapping with \`principals\` and \`serviceAccounts\`, not a list
    grants.yml:7:37: the aliases of this file expand to more than 100000 values: write them out
    grants.yml:8:8: grants[5] must be a mapping with \`principals\` and \`serviceAccounts\`, not a list"
  `);
});

it("refuses an anchor that contains itself", () => {
  expect(
    problemsOf(withGrant("  - principals: &everyone [*everyone]\n    serviceAccounts: [outbound-calls]\n")),
  ).toMatchInlineSnapshot(`"grants.yml:5:28: the anchor &everyone contains itself"`);
});

it("refuses tags and a YAML 1.1 directive", () => {
  expect(
    problemsOf(`%YAML 1.1
---
serviceAccounts:
  outbound-calls: { secret: !!str a, claims: !custom minimal }
grants: []
`),
  ).toMatchInlineSnapshot(`
    "grants.yml:1:1: remove the %YAML directive: only YAML 1.2 is supported
    grants.yml:4:35: remove the tag !!str: tags are not supported
    grants.yml:4:54: remove the tag !custom: tags are not supported"
  `);
});

it("refuses principals that would match everybody", () => {
  expect(
    problemsOf(
      withGrant(`  - principals:
      - "*"
      - arn:aws:iam::111122223333:root
      - "111122223333"
      - arn:aws:iam::111122223333:*
      - arn:aws:iam::*:role/billing-worker
      - arn:aws:iam::11112222????:user/alice
    serviceAccounts: [outbound-calls]
`),
    ),
  ).toMatchInlineSnapshot(`
    "grants.yml:6:9: a bare "*" would match every principal: write arn:aws:iam::<account>:role/<name> or arn:aws:iam::<account>:user/<path/name>
    grants.yml:7:9: an account is refused, because it would match every principal in it: name its roles and users, such as arn:aws:iam::111122223333:role/<name>
    grants.yml:8:9: an account is refused, because it would match every principal in it: name its roles and users, such as arn:aws:iam::111122223333:role/<name>
    grants.yml:9:9: role/ or user/ must be written out in front of a wildcard: write arn:aws:iam::<account>:role/<name> or arn:aws:iam::<account>:user/<path/name>
    grants.yml:10:9: a wildcard in the account needs principalOrgId beside principals; otherwise any account of AWS could match
    grants.yml:11:9: a wildcard in the account needs principalOrgId beside principals; otherwise any account of AWS could match"
  `);
});

it("refuses a session and names its role", () => {
  expect(
    problemsOf(
      withGrant(`  - principals:
      - arn:aws:sts::111122223333:assumed-role/billing-worker/i-0abc
      - arn:aws:sts::111122223333:assumed-role/billing-worker/*
      - arn:aws:sts::111122223333:federated-user/alice
    serviceAccounts: [outbound-calls]
`),
    ),
  ).toMatchInlineSnapshot(`
    "grants.yml:6:9: a session is refused, because callers choose the names of their sessions: grant to the role, arn:aws:iam::111122223333:role/billing-worker
    grants.yml:7:9: a session is refused, because callers choose the names of their sessions: grant to the role, arn:aws:iam::111122223333:role/billing-worker
    grants.yml:8:9: "arn:aws:sts::111122223333:federated-user/alice" is not an IAM role or user: write arn:aws:iam::<account>:role/<name> or arn:aws:iam::<account>:user/<path/name>"
  `);
});

it("refuses a principal that is not the ARN of a role or user, and says why", () => {
  expect(
    problemsOf(
      withGrant(`  - principals:
      - billing-worker
      - arn:aws:iam::111122223333:group/ops
      - arn:aws:iam::111122223333:policy/ops
      - arn:aws:lambda:us-east-1:111122223333:function:nightly
      - arn:aws:iam:us-east-1:111122223333:role/billing-worker
      - arn:aws_cn:iam::111122223333:role/billing-worker
      - arn:aws:iam::1111-2222-3333:role/billing-worker
      - arn:aws:iam::11122223333:role/billing-worker
      - arn:aws:iam::111122223333:role/billing worker
      - arn:aws:iam::111122223333:role/ops/
      - arn:aws:iam::111122223333:role/\${aws:username}
      - " arn:aws:iam::111122223333:role/billing-worker"
      - lambda.amazonaws.com
      - { aws: "arn:aws:iam::111122223333:role/billing-worker" }
    serviceAccounts: [outbound-calls]
`),
    ),
  ).toMatchInlineSnapshot(`
    "grants.yml:6:9: "billing-worker" is not an IAM role or user: write arn:aws:iam::<account>:role/<name> or arn:aws:iam::<account>:user/<path/name>
    grants.yml:7:9: "arn:aws:iam::111122223333:group/ops" is not an IAM role or user: write arn:aws:iam::<account>:role/<name> or arn:aws:iam::<account>:user/<path/name>
    grants.yml:8:9: "arn:aws:iam::111122223333:policy/ops" is not an IAM role or user: write arn:aws:iam::<account>:role/<name> or arn:aws:iam::<account>:user/<path/name>
    grants.yml:9:9: "arn:aws:lambda:us-east-1:111122223333:function:nightly" is not an IAM role or user: write arn:aws:iam::<account>:role/<name> or arn:aws:iam::<account>:user/<path/name>
    grants.yml:10:9: IAM is global: remove the region "us-east-1"
    grants.yml:11:9: "aws_cn" is not a partition of AWS (did you mean "aws-cn"?)
    grants.yml:12:9: "1111-2222-3333" is not an AWS account id, which has 12 digits
    grants.yml:13:9: the account id "11122223333" has 11 digits instead of 12 (leading zeros count)
    grants.yml:14:9: "billing worker" is not a name that IAM allows: A-Z, a-z, 0-9 and +=,.@_- (and the wildcards * and ?)
    grants.yml:15:9: "ops/" ends with a slash: add the name
    grants.yml:16:9: "\${aws:username}" is not a name that IAM allows: A-Z, a-z, 0-9 and +=,.@_- (and the wildcards * and ?)
    grants.yml:17:9: " arn:aws:iam::111122223333:role/billing-worker" has spaces around it: remove them
    grants.yml:18:9: "lambda.amazonaws.com" is not an IAM role or user: write arn:aws:iam::<account>:role/<name> or arn:aws:iam::<account>:user/<path/name>
    grants.yml:19:9: the principal lacks arn, which must be the ARN of an IAM role or user
    grants.yml:19:11: unknown field "aws": the fields here are arn, uniqueId"
  `);
});

it("refuses a pin that its principal cannot have", () => {
  expect(
    problemsOf(
      withGrant(`  - principals:
      - { arn: "arn:aws:iam::111122223333:role/a", uniqueId: AIDAEXAMPLEID }
      - { arn: "arn:aws:iam::111122223333:user/a", uniqueId: AROAEXAMPLEID }
      - { arn: "arn:aws:iam::111122223333:role/b", uniqueId: "AROAEXAMPLEID:session" }
      - { arn: "arn:aws:iam::111122223333:role/c", uniqueId: AKIAEXAMPLEID }
      - { arn: "arn:aws:iam::111122223333:role/d", uniqueID: AROAEXAMPLEID }
      - { uniqueId: AROAEXAMPLEID }
    serviceAccounts: [outbound-calls]
`),
    ),
  ).toMatchInlineSnapshot(`
    "grants.yml:6:62: AIDAEXAMPLEID is the id of a user, the ARN beside it is that of a role
    grants.yml:7:62: AROAEXAMPLEID is the id of a role, the ARN beside it is that of a user
    grants.yml:8:62: uniqueId must be the unique id of a role (AROA…) or a user (AIDA…), as \`aws iam get-role\` shows it, not the text "AROAEXAMPLEID:session"
    grants.yml:9:62: uniqueId must be the unique id of a role (AROA…) or a user (AIDA…), as \`aws iam get-role\` shows it, not the text "AKIAEXAMPLEID"
    grants.yml:10:52: unknown field "uniqueID" (did you mean "uniqueId"?)
    grants.yml:11:9: the principal lacks arn, which must be the ARN of an IAM role or user"
  `);
});

it("refuses two roles that differ only by their path", () => {
  expect(
    problemsOf(
      withGrant(`  - principals:
      - arn:aws:iam::111122223333:role/team-a/deploy
      - arn:aws:iam::111122223333:role/team-b/deploy
    serviceAccounts: [outbound-calls]
  - principals: ["arn:aws:iam::111122223333:role/deploy"]
    serviceAccounts: [call-history]
  - principals: ["arn:aws:iam::111122223333:role/team-a/*"]
    serviceAccounts: [call-history]
`),
    ),
  ).toMatchInlineSnapshot(`
    "grants.yml:7:9: differs only by its path from arn:aws:iam::111122223333:role/team-a/deploy in line 6, and API Gateway reports no paths: write arn:aws:iam::111122223333:role/deploy for both if they are one role, or rename one
    grants.yml:9:18: differs only by its path from arn:aws:iam::111122223333:role/team-a/deploy in line 6, and API Gateway reports no paths: write arn:aws:iam::111122223333:role/deploy for both if they are one role, or rename one
    grants.yml:11:18: API Gateway does not report the path of a role, so this would match every role of the account, not only those below team-a/: name the roles"
  `);
});

it("reports each invalid field of a service account", () => {
  expect(
    problemsOf(`serviceAccounts:
  Outbound_Calls: { secret: a }
  b: {}
  c: voximplant/c
  d: { secret: "arn:aws:secretsmanager:us-east-1:111122223333:secret:voximplant/d-AbCdEf" }
  e: { secret: e, claims: none, unknownKeys: remove, unmanagedKeys: all }
  f: { secret: f, unmanagedKeys: [1, "not an id"] }
grants: []
`),
  ).toMatchInlineSnapshot(`
    "grants.yml:2:3: the name "Outbound_Calls" must be 1 to 64 of a-z, 0-9 and -
    grants.yml:3:6: b lacks secret, which must be the name of a Secrets Manager secret (not its ARN): 1 to 512 of A-Z, a-z, 0-9 and /_+=.@-
    grants.yml:4:6: c must be a mapping with at least a \`secret\`, not the text "voximplant/c"
    grants.yml:5:16: secret must be the name of a Secrets Manager secret (not its ARN): 1 to 512 of A-Z, a-z, 0-9 and /_+=.@-, not the text "arn:aws:secretsmanager:us-east-1:111122223333:secret:voximplant/d-AbCdEf"
    grants.yml:6:27: claims must be "standard" or "minimal", not the text "none"
    grants.yml:6:46: unknownKeys must be "report" or "delete", not the text "remove"
    grants.yml:6:69: unmanagedKeys must be a list of key ids, not the text "all"
    grants.yml:7:35: unmanagedKeys[0] must be the id of a Voximplant key, as GetKeys shows it, not the number 1
    grants.yml:7:38: unmanagedKeys[1] must be the id of a Voximplant key, as GetKeys shows it, not the text "not an id""
  `);
});

it("refuses an organisation id of another form", () => {
  expect(
    problemsOf(
      withGrant(`  - principals: ["arn:aws:iam::*:role/x"]
    serviceAccounts: [outbound-calls]
    principalOrgId: my-company
  - principals: ["arn:aws:iam::*:role/x"]
    serviceAccounts: [outbound-calls]
    principalOrgId:
`),
    ),
  ).toMatchInlineSnapshot(`
    "grants.yml:7:21: principalOrgId must be the id of an AWS organisation: o- and 10 to 32 of a-z and 0-9, not the text "my-company"
    grants.yml:10:20: principalOrgId must be the id of an AWS organisation: o- and 10 to 32 of a-z and 0-9, not empty"
  `);
});

it("reports a value that could be misread once, although an alias repeats it", () => {
  const grant = (principals: string) => `  - principals: ${principals}\n    serviceAccounts: [calls]\n`;
  const file = `serviceAccounts:\n  calls: { secret: calls }\ngrants:\n${grant("&who [on]")}${grant("*who")}`;
  expect(problemsOf(file).split("\n")).toEqual([expect.stringMatching(/^grants\.yml:4:23: /)]);
});
