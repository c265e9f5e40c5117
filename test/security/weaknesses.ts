/** One weakness that someone could build in by mistake, and the test that must notice it. */
export interface Weakness {
  readonly name: string;
  readonly file: string;
  /** Texts of the file and what takes their place. Each text occurs once. */
  readonly changes: readonly (readonly [from: string, to: string])[];
  /** The test that must fail: its file, and its title without the `describe` around it. */
  readonly caughtBy: { readonly file: string; readonly title: string };
}

/**
 * Fifteen weaknesses for `npm run weaknesses`. The title of a test in a table is its template, as
 * it stands in the source.
 */
export const weaknesses: readonly Weakness[] = [
  {
    name: "authorisation is skipped",
    file: "lib/vend.ts",
    changes: [
      [
        "if (isFailure(allowance)) return allowance;",
        'if ("reason" in allowance) Object.assign(allowance, { ttlSeconds: 300, serviceAccount: dependencies.grants.serviceAccounts.get(serviceAccountName) });',
      ],
    ],
    caughtBy: { file: "test/vend.test.ts", title: "answers %i %s to %s and fetches no key" },
  },
  {
    name: "a pattern is anchored at its beginning only",
    file: "lib/grants/arn-like.ts",
    changes: [["return p === pattern.length;", "return p <= pattern.length;"]],
    caughtBy: { file: "test/grants/arn-like.test.ts", title: "%s: %s against %s is %s" },
  },
  {
    name: "the session name is trusted",
    file: "lib/caller/caller.ts",
    changes: [
      [
        '{ kind: "role", partition, accountId, name, sessionName }',
        '{ kind: "role", partition, accountId, name: sessionName, sessionName }',
      ],
    ],
    caughtBy: {
      file: "test/caller/caller.test.ts",
      title: "is the same principal whatever the session name",
    },
  },
  {
    name: "a cache of tokens is shared by all callers",
    file: "lib/vend.ts",
    changes: [
      [
        "const token = await mintToken(claims, signingKey);",
        "const token = (tokens[serviceAccount.name] ??= await mintToken(claims, signingKey));",
      ],
      [
        "/** The function behind the routes",
        "const tokens: Record<string, string> = {};\n/** The function behind the routes",
      ],
    ],
    caughtBy: { file: "test/vend.test.ts", title: "vends each caller a token of its own" },
  },
  {
    name: "a token lives for more than 3600 s",
    file: "lib/token/claims.ts",
    changes: [["iat + MAX_TTL_SECONDS, ", ""]],
    caughtBy: {
      file: "test/token/claims.test.ts",
      title: "are never valid for more than 3600 s nor longer than was granted",
    },
  },
  {
    name: "the event is logged",
    file: "lib/request-handler.ts",
    changes: [
      [
        "let outcome = await decide(event, facts).catch(crashed);",
        'log("info", JSON.stringify(event));\n    let outcome = await decide(event, facts).catch(crashed);',
      ],
    ],
    caughtBy: {
      file: "test/vend.test.ts",
      title: "and the log contain no header of the request",
    },
  },
  {
    name: "a pattern matches every longer name",
    file: "lib/grants/arn-like.ts",
    changes: [["matchesGlob(pattern.name, caller.name)", "matchesGlob(`${pattern.name}*`, caller.name)"]],
    caughtBy: { file: "test/grants/arn-like.test.ts", title: "%s: %s against %s is %s" },
  },
  {
    name: "the caller gets the reason for a refusal",
    file: "lib/http/response.ts",
    changes: [
      [
        "return fail(403, outcome.reason, ACCESS_DENIED);",
        "return fail(403, outcome.reason, outcome.detail);",
      ],
    ],
    caughtBy: { file: "test/vend.test.ts", title: "gives the same answer for every 403" },
  },
  {
    name: "the account of grants.yml is ignored",
    file: "lib/request-handler.ts",
    changes: [["if (detail !== undefined) {", "if (detail === serviceAccount.name) {"]],
    caughtBy: { file: "test/vend.test.ts", title: "causes no token for %s" },
  },
  {
    name: "a redirect is followed with the token",
    file: "lib/voximplant/send.ts",
    changes: [['redirect: "manual",', 'redirect: "follow",']],
    caughtBy: { file: "test/voximplant/forward.test.ts", title: "does not follow a redirect" },
  },
  {
    name: "the record is written after the answer",
    file: "lib/request-handler.ts",
    changes: [
      [
        "writeAudit(JSON.stringify(auditRecord(recorder, facts, outcome, deployment, now())));",
        "const record = JSON.stringify(auditRecord(recorder, facts, outcome, deployment, now()));\n      setImmediate(() => { try { writeAudit(record); } catch (error) { crashed(error); } });",
      ],
    ],
    caughtBy: {
      file: "test/vend.test.ts",
      title: "is written before the answer: if writing fails, no token is returned",
    },
  },
  {
    name: "a key is deleted without a second look at the secrets",
    file: "lib/reconciliation/reconcile-keys.ts",
    changes: [
      [
        "if (again === undefined || decide(again, decisionContext(run, secrets))?.remove !== true)",
        "if (again === undefined)",
      ],
    ],
    caughtBy: {
      file: "test/reconciliation/reconcile-keys.test.ts",
      title: "is not deleted if its secret changes just before the deletion",
    },
  },
  {
    name: "the end of a grant is ignored",
    file: "lib/grants/conditions.ts",
    changes: [
      [
        "if (until === undefined || !isOver({ until }, now)) return undefined;",
        "if (now >= 0) return undefined;",
      ],
    ],
    caughtBy: {
      file: "test/vend.test.ts",
      title: "is refused with %d s left, and the record names the grant",
    },
  },
  {
    name: "a method is matched without regard to case",
    file: "lib/grants/methods.ts",
    changes: [
      [
        "return pattern === method || (!isSensitive(method) && matchesGlob(pattern, method));",
        "return matchesGlob(pattern.toLowerCase(), method.toLowerCase());",
      ],
    ],
    caughtBy: { file: "test/grants/methods.test.ts", title: "%s matches %s: %s" },
  },
  {
    name: "a revocation succeeds without a proof",
    file: "lib/reconciliation/revoke.ts",
    changes: [["const proved = proof.every(({ ok }) => ok);", "const proved = proof.length > 0;"]],
    caughtBy: {
      file: "test/reconciliation/revoke.test.ts",
      title: "is not proved while the platform refuses to list its keys",
    },
  },
];
