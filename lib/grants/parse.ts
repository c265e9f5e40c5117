import type { EpochMs } from "../epoch.ts";
import { checkPrincipal } from "./principal.ts";
import type { GrantTest } from "./tests.ts";
import type { Grant, Policy, PrincipalPattern, ServiceAccount } from "./policy.ts";
import { checkReferences, salvageOutline, type References } from "./references.ts";
import { schemaFindings } from "./schema-findings.ts";
import { grantsFile, type GrantsFile } from "./schema.ts";
import { findSuspicions } from "./suspicions.ts";
import { parseTime, parseUntil } from "./until.ts";
import { type Finding, type Position, readYaml, type YamlSource } from "./yaml-source.ts";
import type { Path } from "./yaml-value.ts";

/** Something wrong or suspicious at one place of a grants file. Lines and columns count from 1. */
export interface Problem extends Position {
  readonly file: string;
  readonly message: string;
}

/** `grants.yml:14:9: …`: the form that editors and terminals turn into a link. */
export function formatProblem({ file, line, column, message }: Problem): string {
  return `${file}:${line}:${column}: ${message}`;
}

/** The content of a valid file. */
export interface ReadGrants {
  readonly policy: Policy;
  readonly tests: GrantTest[];
  /** What is valid in the file but probably a mistake. */
  readonly warnings: Problem[];
  /** Adds the line and column in the file to a finding. */
  readonly place: (finding: Finding) => Problem;
}

export type ParsedGrants = ReadGrants | { readonly problems: Problem[] };

/** The deployment stage of the local stack and of the tests. */
export const LOCAL_STAGE = "local";

/**
 * Reads a grants.yml. Returns a policy with all defaults filled in, or all problems of the file,
 * each with its place.
 *
 * @param fileName the `file` of each problem
 * @param stage replaces `${stage}` in the names of secrets
 * @param now the present time, for warnings about grants that have ended or end soon. Without it,
 *   there are no such warnings.
 */
export function parseGrants(
  text: string,
  fileName: string,
  stage = LOCAL_STAGE,
  now?: EpochMs,
): ParsedGrants {
  const source = readYaml(text);
  if (source.syntaxErrors.length > 0) {
    return { problems: source.syntaxErrors.map((error) => ({ file: fileName, ...error })) };
  }

  const shape = grantsFile.safeParse(source.value);
  const references = checkReferences(
    shape.success ? shape.data : salvageOutline(source.value),
    source.locate,
  );
  // Different YAML parsers could read some values differently. `readYaml` reports such a value, and
  // puts undefined in its place. The schema's error about that undefined would only confuse, so it
  // is left out, also where an alias repeats the value.
  const issues = (shape.error?.issues ?? []).filter(({ path }) => !isMisread(source.value, path));

  const place = (finding: Finding): Problem => ({
    file: fileName,
    ...source.locate(finding),
    message: finding.message,
  });
  const problems = [
    ...source.misreadings.map(({ line, column, message }) => ({ file: fileName, line, column, message })),
    ...[...schemaFindings(issues, source.value), ...references.problems].map(place),
  ];
  if (!shape.success || problems.length > 0) return { problems: problems.sort(byPlace) };

  const baseName = fileName.split(/[\\/]/).at(-1) ?? fileName;
  const policy = policyOf(shape.data, references, source, baseName, stage);
  const tests = shape.data.tests.map((test, i) => testOf(test, source.locate({ path: ["tests", i] })));
  const warnings = [...references.warnings, ...findSuspicions(policy, now)].map(place).sort(byPlace);
  return { policy, tests, warnings, place };
}

function testOf(test: GrantsFile["tests"][number], position: Position): GrantTest {
  const { principal: arn, uniqueId, principalOrgId, at, expect, ...request } = test;
  const { serviceAccount, method, ttlSeconds, accountId, ...ignored } = request;
  // Does not compile if the schema has a field that is not read here. A test with such a field
  // would ask something else than the file says, and could pass by mistake.
  ignored satisfies Record<string, never>;
  const check = checkPrincipal(arn);
  if (!check.ok)
    throw new Error(`a fault of this program: ${arn} is invalid, but the check of the file accepted it`);
  const { partition, accountId: awsAccountId, kind, name } = check.principal;
  const time = at === undefined ? undefined : parseTime(at);
  return {
    ...position,
    caller: {
      principal: check.principal.arn,
      ...{ partition, accountId: awsAccountId, kind, name },
      ...(uniqueId === undefined ? {} : { uniqueId }),
      ...(principalOrgId === undefined ? {} : { organizationId: principalOrgId }),
    },
    request: {
      serviceAccount,
      ...(method === undefined ? {} : { method }),
      ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
      ...(accountId === undefined ? {} : { accountId }),
    },
    ...(time === undefined ? {} : { at: time }),
    expect,
  };
}

function byPlace(a: Problem, b: Problem): number {
  return a.line - b.line || a.column - b.column;
}

function policyOf(
  file: GrantsFile,
  { principals }: References,
  source: YamlSource,
  baseName: string,
  stage: string,
): Policy {
  const sourceOf = (path: Path) => `${baseName}:${source.locate({ path }).line}`;
  return {
    serviceAccounts: Object.entries(file.serviceAccounts).map(
      ([name, { accountId, secret, ...account }]): ServiceAccount => ({
        name,
        secret: secret.replaceAll("${stage}", stage),
        ...account,
        ...(accountId === undefined ? {} : { accountId }),
      }),
    ),
    grants: file.grants.map(({ principalOrgId, methods, until, ...grant }, i): Grant => ({
      source: sourceOf(["grants", i]),
      ...grant,
      ...(principalOrgId === undefined ? {} : { principalOrgId }),
      ...(methods === undefined ? {} : { methods }),
      ...(until === undefined ? {} : { until: parseUntil(until) ?? 0 }),
      principals: grant.principals.map((entry, j): PrincipalPattern => {
        const { arn, uniqueId } = typeof entry === "string" ? { arn: entry, uniqueId: undefined } : entry;
        const principal = principals.get(arn);
        if (!principal) throw new Error(`a fault of this program: ${arn} was not checked`);
        return {
          source: sourceOf(["grants", i, "principals", j]),
          arn: principal.arn,
          ...(uniqueId === undefined ? {} : { uniqueId }),
        };
      }),
    })),
  };
}

/** Whether a file has a value at the path, and the value was replaced by undefined. */
function isMisread(value: unknown, path: readonly PropertyKey[]): boolean {
  const [key, ...rest] = path;
  if (key === undefined) return value === undefined;
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return false;
  return isMisread((value as Record<PropertyKey, unknown>)[key], rest);
}
