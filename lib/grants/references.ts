import * as z from "zod";
import { hasWildcard } from "./arn-like.ts";
import { didYouMean } from "./nearest.ts";
import { checkPrincipal, partitionWarning, type Principal } from "./principal.ts";
import type { Finding, Position } from "./yaml-source.ts";
import type { Path } from "./yaml-value.ts";

/** The parts of a file that refer to each other. */
interface Outline {
  /** Undefined if they cannot be read: then names cannot be checked. */
  readonly serviceAccounts?: Readonly<Record<string, unknown>> | undefined;
  readonly grants: readonly {
    readonly principals: readonly (
      string | { readonly arn: string; readonly uniqueId?: string | undefined } | null
    )[];
    readonly serviceAccounts: readonly (string | null)[];
    readonly principalOrgId?: unknown;
  }[];
  readonly tests: readonly {
    readonly principal?: string | undefined;
    readonly serviceAccount?: string | undefined;
    readonly ttlSeconds?: unknown;
    readonly method?: unknown;
  }[];
}

const orNull = z.unknown().transform(() => null);
const noGrant = { principals: [], serviceAccounts: [] };
const salvaged = z
  .object({
    serviceAccounts: z.record(z.string(), z.unknown()).optional().catch(undefined),
    grants: z
      .array(
        z
          .object({
            principals: z
              .array(
                z.union([
                  z.string(),
                  z.object({ arn: z.string(), uniqueId: z.string().optional().catch(undefined) }),
                  orNull,
                ]),
              )
              .catch([]),
            serviceAccounts: z.array(z.union([z.string(), orNull])).catch([]),
            principalOrgId: z.unknown().optional(),
          })
          .catch(noGrant),
      )
      .catch([]),
    tests: z
      .array(
        z
          .object({
            principal: z.string().optional().catch(undefined),
            serviceAccount: z.string().optional().catch(undefined),
            ttlSeconds: z.unknown().optional(),
            method: z.unknown().optional(),
          })
          .catch({}),
      )
      .catch([]),
  })
  .catch({ serviceAccounts: undefined, grants: [], tests: [] });

/** The readable parts of a broken file, with null for the rest, to find all problems at once. */
export function salvageOutline(value: unknown): Outline {
  return salvaged.parse(value);
}

export interface References {
  readonly problems: readonly Finding[];
  readonly warnings: readonly Finding[];
  /** The canonical principal for each ARN as written. */
  readonly principals: ReadonlyMap<string, Principal>;
}

/** Checks across fields: names exist, ARNs are principals, and no two principals collide. */
export function checkReferences(
  { serviceAccounts, grants, tests }: Outline,
  locate: (at: { path: Path }) => Position,
): References {
  const problems: Finding[] = [];
  const warnings: Finding[] = [];
  const principals = new Map<string, Principal>();
  const firstWritten = new Map<string, { text: string; path: Path }>();

  const checkArn = (text: string, path: Path): Principal | undefined => {
    const check = checkPrincipal(text);
    if (!check.ok) {
      problems.push({ path, message: check.message });
      return undefined;
    }
    const { principal } = check;
    principals.set(text, principal);
    const unknownPartition = partitionWarning(principal);
    if (unknownPartition !== undefined) warnings.push({ path, message: unknownPartition });
    if (principal.ignoredPath !== undefined) {
      const message = `the path ${principal.ignoredPath} is ignored, because API Gateway does not report it`;
      warnings.push({ path, message: `${message}: the grant is for ${principal.arn}` });
    }
    const first = firstWritten.get(principal.arn);
    if (!first) firstWritten.set(principal.arn, { text, path });
    else if (first.text !== text) {
      const message = `differs only by its path from ${first.text} in line ${locate(first).line}`;
      problems.push({
        path,
        message: `${message}, and API Gateway reports no paths: write ${principal.arn} for both if they are one role, or rename one`,
      });
    }
    return principal;
  };

  const checkName = (name: string, path: Path) => {
    if (!serviceAccounts || Object.hasOwn(serviceAccounts, name)) return;
    const suggestion = didYouMean(name, Object.keys(serviceAccounts));
    problems.push({ path, message: `there is no service account "${name}" in this file${suggestion}` });
  };

  grants.forEach(({ principals: entries, serviceAccounts: names, principalOrgId }, i) => {
    entries.forEach((entry, j) => {
      if (entry === null) return;
      const at = ["grants", i, "principals", j];
      const [arn, path] = typeof entry === "string" ? [entry, at] : [entry.arn, [...at, "arn"]];
      const principal = checkArn(arn, path);
      if (!principal) return;
      if (principalOrgId === undefined && hasWildcard(principal.accountId)) {
        const message = "a wildcard in the account needs principalOrgId beside principals";
        problems.push({ path, message: `${message}; otherwise any account of AWS could match` });
      }
      if (typeof entry === "string") return;
      const idKind = kindOfUniqueId(entry.uniqueId);
      if (idKind && idKind !== principal.kind) {
        const message = `${String(entry.uniqueId)} is the id of a ${idKind}, the ARN beside it is that of a ${principal.kind}`;
        problems.push({ path: [...at, "uniqueId"], message });
      }
    });
    names.forEach((name, j) => {
      if (name !== null) checkName(name, ["grants", i, "serviceAccounts", j]);
    });
  });

  tests.forEach(({ principal, serviceAccount, ttlSeconds, method }, i) => {
    const path = ["tests", i];
    if (principal !== undefined) {
      const check = checkPrincipal(principal);
      const message = !check.ok
        ? check.message
        : hasWildcard(check.principal.arn)
          ? "a test asks for one role or user: write its name out"
          : undefined;
      if (message !== undefined) problems.push({ path: [...path, "principal"], message });
    }
    // A test that expects a refusal would pass for ever with a misspelt name.
    if (serviceAccount !== undefined) checkName(serviceAccount, [...path, "serviceAccount"]);
    if (ttlSeconds !== undefined && method !== undefined) {
      problems.push({ path: [...path, "ttlSeconds"], message: "a call of a method has no lifetime" });
    }
  });
  return { problems, warnings, principals };
}

function kindOfUniqueId(uniqueId: string | undefined): "role" | "user" | undefined {
  if (uniqueId?.startsWith("AROA")) return "role";
  return uniqueId?.startsWith("AIDA") ? "user" : undefined;
}
