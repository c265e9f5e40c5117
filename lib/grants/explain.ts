import { distance } from "fastest-levenshtein";
import type { Caller } from "../caller/caller.ts";
import type { EpochMs } from "../epoch.ts";
import { authorize, indexGrants } from "./authorize.ts";
import { type Candidate, maxTtlOf, type Question, unmetConditions } from "./conditions.ts";
import { didYouMean } from "./nearest.ts";
import type { AccessRequest, Allowance, Denial, Policy, ServiceAccount } from "./policy.ts";

/** The reasons for a decision, for the policy's owner. */
export interface Explanation {
  readonly decision: Allowance | Denial;
  readonly serviceAccount: ServiceAccount | undefined;
  /** If there is no such service account: a similar name, as a question. Empty if there is none. */
  readonly suggestion: string;
  /** All grants that fit, first the one that decides. Then the nearest grants that do not fit. */
  readonly grants: readonly ExplainedGrant[];
}

/** One grant, and which of its principals is nearest to the caller. */
export interface ExplainedGrant {
  readonly source: string;
  readonly principal: { readonly source: string; readonly arn: string };
  readonly maxTtlSeconds: number;
  /** The conditions that are not met, as text; empty if the grant fits. */
  readonly unmet: readonly string[];
}

const SHOWN_GRANTS = 3;

/** Explains the decision that {@link authorize} makes. */
export function explain(policy: Policy, caller: Caller, request: AccessRequest, now: EpochMs): Explanation {
  const index = indexGrants(policy);
  const serviceAccount = index.serviceAccounts.get(request.serviceAccount);
  const explained = policy.grants
    .flatMap((grant) =>
      nearestPrincipal(
        grant.principals.map((pattern) => ({ grant, pattern })),
        { caller, request, now },
      ),
    )
    .sort((a, b) => a.unmet.length - b.unmet.length || a.edits - b.edits);
  const decision = authorize(index, caller, request, now);
  const grants = explained.map(({ candidate, unmet }): ExplainedGrant => ({
    source: candidate.grant.source,
    principal: candidate.pattern,
    maxTtlSeconds: serviceAccount
      ? Math.max(0, maxTtlOf(candidate, serviceAccount, now))
      : candidate.grant.maxTtlSeconds,
    unmet,
  }));
  const decides = ({ source }: ExplainedGrant) => "grant" in decision && source === decision.grant;
  const fitting = grants
    .filter(({ unmet }) => unmet.length === 0)
    .sort((a, b) => b.maxTtlSeconds - a.maxTtlSeconds || Number(decides(b)) - Number(decides(a)));
  return {
    decision,
    serviceAccount,
    suggestion: serviceAccount ? "" : didYouMean(request.serviceAccount, index.serviceAccounts.keys()),
    grants: [...fitting, ...grants.slice(fitting.length).slice(0, SHOWN_GRANTS)],
  };
}

/**
 * Lists the grants that fit, or the nearest grants if none fits. Shows at most three, each with its
 * unmet conditions below. Empty if the file has no grants.
 */
export function describeGrants(grants: readonly ExplainedGrant[]): string[] {
  const fitting = grants.filter(({ unmet }) => unmet.length === 0);
  if (fitting.length > 0) return ["These grants fit:", ...linesOf(fitting)];
  return grants.length > 0 ? ["No grant fits. The nearest:", ...linesOf(grants)] : [];
}

function linesOf(grants: readonly ExplainedGrant[]): string[] {
  const more = grants.length - SHOWN_GRANTS;
  return [
    ...grants
      .slice(0, SHOWN_GRANTS)
      .flatMap(({ source, principal, maxTtlSeconds, unmet }) => [
        `  ${source}, at most ${maxTtlSeconds} s`,
        `    ${principal.arn}${lineOf(principal, source)}`,
        ...unmet.map((reason) => `    - ${reason}`),
      ]),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
}

/** The principal's own line, if it is not that of the grant. */
function lineOf(principal: ExplainedGrant["principal"], grantSource: string): string {
  return principal.source === grantSource ? "" : ` (line ${principal.source.split(":").at(-1) ?? ""})`;
}

interface Assessment {
  readonly candidate: Candidate;
  readonly unmet: readonly string[];
  /** Levenshtein distance between the pattern and the caller's ARN. */
  readonly edits: number;
}

function nearestPrincipal(candidates: readonly Candidate[], question: Question): Assessment[] {
  return candidates
    .map((candidate) => ({
      candidate,
      unmet: unmetConditions(candidate, question),
      edits: distance(candidate.pattern.arn, question.caller.principal),
    }))
    .sort((a, b) => a.unmet.length - b.unmet.length || a.edits - b.edits)
    .slice(0, 1);
}
