import type { Caller } from "../caller/caller.ts";
import type { Allowance, TokenRequest } from "../grants/policy.ts";
import type { GatewayRequest } from "../http/request.ts";
import type { KeyOutcome } from "../keys/signing-keys.ts";
import type { Outcome } from "../outcome.ts";
import type { TokenClaims } from "../token/claims.ts";
import type { EpochMs } from "../epoch.ts";
import { embeddedMetrics } from "./metrics.ts";

/**
 * What is known of a request. Each step of the pipeline adds to it, so that the record of a crash
 * says what was known by then.
 */
export interface Facts {
  readonly receivedAt: EpochMs;
  /** API Gateway's id, which the caller sees too. Until it is known: Lambda's own. */
  requestId: string;
  request?: GatewayRequest;
  caller?: Caller;
  tokenRequest?: TokenRequest;
  allowance?: Allowance;
  key?: KeyOutcome;
  claims?: TokenClaims;
  /** The record's own id, a UUID; the token's `jti` where it has one. */
  jti?: string;
  tokenSha256?: string;
}

/** The length at which text that the caller chose is cut, so that it cannot flood the log. */
const MAX_TEXT = 256;

/** The audit record of one request, as it stands in the log. Unknown facts have no field. */
export type AuditRecord = ReturnType<typeof auditRecord>;

/**
 * Makes the audit record of one request. It carries its own metrics (CloudWatch's Embedded Metric
 * Format), so that the numbers on the dashboard always match the records.
 *
 * @param now when the answer is ready
 */
export function auditRecord(facts: Facts, outcome: Outcome, deployment: string, now: EpochMs) {
  const { request, caller, tokenRequest, allowance, key, claims } = facts;
  const held = key && "held" in key ? key.held : undefined;
  return {
    type: "audit" as const,
    time: new Date(facts.receivedAt).toISOString(),
    outcome: kindOf(outcome),
    reason: outcome.reason,
    detail: "detail" in outcome ? clip(outcome.detail, 4 * MAX_TEXT) : undefined,
    principal: caller?.principal,
    session_name: caller?.sessionName,
    unique_id: caller?.uniqueId,
    principal_account: caller?.accountId,
    principal_org: caller?.organizationId,
    source_ip: request?.sourceIp,
    user_agent: clip(request?.userAgent),
    method: clip(request?.method),
    path: clip(request?.path),
    service_account: clip(tokenRequest?.serviceAccount),
    requested_ttl_seconds: tokenRequest?.ttlSeconds,
    requested_account_id: tokenRequest?.accountId,
    grant: allowance?.grant,
    grant_pattern: allowance?.pattern,
    kid: held?.signingKey.keyId,
    secret_version_id: held?.secretVersionId,
    key_state: key?.state,
    iss: claims?.iss,
    iat: claims?.iat,
    exp: claims?.exp,
    jti: facts.jti,
    token_sha256: facts.tokenSha256,
    request_id: facts.requestId,
    api_id: request?.apiId,
    latency_ms: now - facts.receivedAt,
    ...metricsOf(facts, outcome, deployment, now),
  };
}

function kindOf(outcome: Outcome): "vended" | "listed" | "refused" | "failed" {
  switch (outcome.reason) {
    case "token_vended":
      return "vended";
    case "entitlements_listed":
      return "listed";
    case "signing_key_unavailable":
    case "internal_error":
      return "failed";
    case "not_found":
    case "method_not_allowed":
    case "unauthenticated":
    case "invalid_request":
    case "access_denied":
    case "ttl_too_long":
      return "refused";
  }
}

/**
 * A service account becomes a dimension only after a grant has named it. Otherwise callers could
 * make up names, and AWS charges for each as a metric of its own.
 */
function metricsOf(
  { allowance, key, receivedAt }: Facts,
  outcome: Outcome,
  deployment: string,
  now: EpochMs,
) {
  const kind = kindOf(outcome);
  const { reason } = outcome;
  const createdAt = key && "held" in key ? key.held.createdAt : undefined;
  return embeddedMetrics(
    "vend-token",
    {
      LatencyMs: now - receivedAt,
      TokensVended: oneIf(kind === "vended"),
      Refusals: oneIf(kind === "refused"),
      KeyUnavailable: oneIf(reason === "signing_key_unavailable"),
      Errors: oneIf(reason === "internal_error"),
      WrongAccountKey: oneIf(reason === "internal_error" && outcome.fault === "wrong_account_key"),
      KeyServedStale: oneIf(kind === "vended" && key?.state === "stale"),
      KeyAgeSeconds: createdAt === undefined ? undefined : (now - createdAt) / 1000,
    },
    allowance ? ["TokensVended", "KeyAgeSeconds"] : [],
    deployment,
    now,
  );
}

function oneIf(condition: boolean): 1 | undefined {
  return condition ? 1 : undefined;
}

function clip(text: string | undefined, length = MAX_TEXT): string | undefined {
  return text !== undefined && text.length > length ? `${text.slice(0, length)}…` : text;
}
