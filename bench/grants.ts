/**
 * What a decision costs with a large grants file, as a share of one RSA-2048 signature made in the
 * same run. Rounds of each are interleaved, so that a busy machine slows all of them alike; the
 * median round counts. Exact principals are looked up, so their number does not matter; each
 * wildcard is tried for each caller.
 *
 *   npx tsx bench/grants.ts
 */
import { generateKeyPairSync, sign } from "node:crypto";
import { pathToFileURL } from "node:url";
import { type Caller, identifyCaller } from "../lib/caller/caller.ts";
import { authorize, indexGrants, type GrantIndex } from "../lib/grants/authorize.ts";
import type { Grant, Policy } from "../lib/grants/policy.ts";
import { isFailure } from "../lib/outcome.ts";

const ROUNDS = 40;
/** The grant that the allowed caller has. */
const WANTED = 900;

/**
 * What the pattern of the i-th grant looks like. Accounts are numbered, so that each is a different
 * one.
 */
const shapes = {
  exact: (i: number) => role(accountOf(i), `worker-${i}`),
  prefix: (i: number) => role(accountOf(i % 50), `worker-${i}-*`),
  suffix: (i: number) => role(accountOf(i % 50), `*-worker-${i}`),
  middle: (i: number) => role("*", `*-${i}-*`),
};

interface Shape {
  readonly grants: number;
  readonly arnOf: (i: number) => string;
  /** The most that a decision should cost. */
  readonly aim: number;
}

const policies: Record<string, Shape> = {
  "10,000 exact": { grants: 10_000, arnOf: shapes.exact, aim: 0.05 },
  "10,000, 100 wildcards": {
    grants: 10_000,
    arnOf: (i) => (i % 100 ? shapes.exact(i) : shapes.prefix(i)),
    aim: 0.1,
  },
  "1,000 wildcards": {
    grants: 1_000,
    arnOf: (i) => [shapes.prefix, shapes.suffix, shapes.middle][i % 3]?.(i) ?? "",
    aim: 1,
  },
};

export interface GrantsBenchRow {
  readonly policy: string;
  readonly aim: number;
  readonly buildMilliseconds: number;
  /** A decision's cost over that of a signature. */
  readonly granted: number;
  readonly refused: number;
}

export function benchGrants(): GrantsBenchRow[] {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const data = Buffer.alloc(300, "a");
  const cases = Object.entries(policies).map(([policy, { grants, arnOf, aim }]) => {
    const started = performance.now();
    const index = indexGrants(policyOf(grants, arnOf));
    const buildMilliseconds = performance.now() - started;
    const allowed = callerOf(arnOf(WANTED).replaceAll("*", "7"));
    const stranger = callerOf(role(accountOf(3), `worker${WANTED}`));
    if (!decide(index, allowed) || decide(index, stranger)) throw new Error(`${policy}: decided wrongly`);
    return {
      policy,
      aim,
      buildMilliseconds,
      index,
      allowed,
      stranger,
      granted: [] as number[],
      refused: [] as number[],
    };
  });

  const signature: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    signature.push(timeOf(20, () => void sign("sha256", data, privateKey)));
    for (const { index, allowed, stranger, granted, refused } of cases) {
      granted.push(timeOf(100, () => void decide(index, allowed)));
      refused.push(timeOf(100, () => void decide(index, stranger)));
    }
  }
  return cases.map(({ policy, aim, buildMilliseconds, granted, refused }) => ({
    policy,
    aim,
    buildMilliseconds,
    granted: median(granted) / median(signature),
    refused: median(refused) / median(signature),
  }));
}

function role(accountId: string, name: string): string {
  return `arn:aws:iam::${accountId}:role/${name}`;
}

function accountOf(i: number): string {
  return String(111_122_220_000 + i);
}

function policyOf(grants: number, arnOf: (i: number) => string): Policy {
  const names = Array.from({ length: 50 }, (_, i) => `service-account-${i}`);
  return {
    serviceAccounts: names.map((name) => ({
      name,
      secret: name,
      maxTtlSeconds: 3600,
      claims: "standard",
      unmanagedKeys: [],
      unknownKeys: "report",
    })),
    grants: Array.from({ length: grants }, (_, i): Grant => {
      const source = `grants.yml:${i}`;
      return {
        source,
        principals: [{ source, arn: arnOf(i) }],
        serviceAccounts: names.slice(WANTED % 50, (WANTED % 50) + 1),
        maxTtlSeconds: 900,
        childAccountIds: [],
        principalOrgId: "o-a1b2c3d4e5",
      };
    }),
  };
}

function callerOf(principal: string): Caller {
  const [, , , , account = "", resource = ""] = principal.split(":");
  const accountId = account.padEnd(12, "1");
  const userArn = `arn:aws:sts::${accountId}:assumed-${resource}/session`;
  const result = identifyCaller({ userArn, principalOrgId: "o-a1b2c3d4e5" });
  if (isFailure(result)) throw new Error(result.detail);
  return result;
}

function decide(index: GrantIndex, caller: Caller): boolean {
  const request = { serviceAccount: `service-account-${WANTED % 50}`, ttlSeconds: 300 };
  return !isFailure(authorize(index, caller, request, Date.now()));
}

function timeOf(times: number, run: () => void): number {
  const started = performance.now();
  for (let i = 0; i < times; i++) run();
  return (performance.now() - started) / times;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  console.log(`One decision as a share of one RSA-2048 signature:`);
  for (const { policy, buildMilliseconds, granted, refused } of benchGrants()) {
    const percent = (share: number) => `${(share * 100).toFixed(2)} %`.padStart(8);
    console.log(
      `  ${policy.padEnd(30)} granted ${percent(granted)}  refused ${percent(refused)}  index built in ${buildMilliseconds.toFixed(0)} ms`,
    );
  }
}
