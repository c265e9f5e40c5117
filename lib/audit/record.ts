import type { Caller } from "../caller/caller.ts";
import type { Allowance, TokenRequest } from "../grants/policy.ts";
import type { GatewayRequest } from "../http/request.ts";
import type { KeyOutcome } from "../keys/signing-keys.ts";
import type { Outcome } from "../outcome.ts";
import type { TokenClaims } from "../token/claims.ts";
import { embeddedMetrics, type Metric } from "./metrics.ts";

/**
 * What has become known of a request on its way. Filled as the pipeline goes, so that a crash
 * leaves what was known.
 */
export interface Facts {
  /** Milliseconds since the epoch. */
  readonly receivedAt: number;
  /** API Gateway's, which the caller sees as well; Lambda's own until that is known. */
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

/** Long enough for what is honest; a caller chooses these, and a log line is to stay one. */
const MAX_TEXT = 256;

/**
 * The audit record of one request: one JSON line, which is a document of CloudWatch's Embedded
 * Metric Format as well, so that the numbers on a dashboard and the records behind them cannot
 * disagree. Absent facts are absent fields.
 *
 * @param now milliseconds since the epoch, when the answer is ready
 */
export function auditRecord(facts: Facts, outcome: Outcome, now: number): string {
  const { request, caller, tokenRequest, allowance, key, claims } = facts;
  const held = key && "held" in key ? key.held : undefined;
  return JSON.stringify({
    type: "audit",
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
    ...metricsOf(facts, outcome, now),
  });
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
 * A dimension is a service account only where a grant has named it, or else anybody could make up
 * metrics that are paid for by the name.
 */
function metricsOf(facts: Facts, outcome: Outcome, now: number): Record<string, unknown> {
  const { allowance, key, receivedAt } = facts;
  const count = (name: string): Metric => ({ name, unit: "Count", value: 1 });
  const metrics: Metric[] = [{ name: "LatencyMs", unit: "Milliseconds", value: now - receivedAt }];

  const kind = kindOf(outcome);
  if (kind === "vended") metrics.push(count("TokensVended"));
  if (kind === "refused") metrics.push(count("Refusals"));
  if (outcome.reason === "signing_key_unavailable") metrics.push(count("KeyUnavailable"));
  if (outcome.reason === "internal_error") {
    metrics.push(count("Errors"));
    if (outcome.fault === "wrong_account_key") metrics.push(count("WrongAccountKey"));
  }
  if (kind === "vended" && key?.state === "stale") metrics.push(count("KeyServedStale"));
  const keyCreatedAt = key && "held" in key ? key.held.createdAt : undefined;
  if (keyCreatedAt !== undefined) {
    metrics.push({ name: "KeyAgeSeconds", unit: "Seconds", value: (now - keyCreatedAt) / 1000 });
  }

  const dimensionSets: string[][] = [[]];
  if (allowance) dimensionSets.push(["service_account"]);
  if (kind === "refused") dimensionSets.push(["reason"]);
  return embeddedMetrics(metrics, dimensionSets, now);
}

function clip(text: string | undefined, length = MAX_TEXT): string | undefined {
  return text !== undefined && text.length > length ? `${text.slice(0, length)}…` : text;
}
