import type { Caller } from "../caller/caller.ts";
import { type AccessRequest, type Allowance, methodOf } from "../grants/policy.ts";
import type { GatewayRequest } from "../http/request.ts";
import type { KeyOutcome } from "../keys/signing-keys.ts";
import type { Outcome } from "../outcome.ts";
import type { TokenClaims } from "../token/claims.ts";
import type { EpochMs } from "../epoch.ts";
import { embeddedMetrics, metricsByServiceAccount } from "./metrics.ts";

/**
 * What is known of a request. Each step of the pipeline adds to it, so that the record of a crash
 * says what was known by then.
 */
export interface Facts {
  readonly receivedAt: EpochMs;
  /**
   * The request id that the answer contains: API Gateway's, unless the caller chose another one.
   * Until the event is read, this field is Lambda's request id.
   */
  requestId: string;
  request?: GatewayRequest;
  caller?: Caller;
  asked?: AccessRequest;
  allowance?: Allowance;
  key?: KeyOutcome;
  claims?: TokenClaims;
  /**
   * The id of the record, a UUID. Set when a token is signed. If the token has a `jti` claim, the
   * claim has this value.
   */
  jti?: string;
  tokenSha256?: string;
  call?: PlatformCall;
}

/** One call of the platform. What the platform answered is known only after it. */
export interface PlatformCall {
  /** Only the names, because the values are phone numbers and texts. */
  readonly parameters: readonly string[];
  readonly startedAt: EpochMs;
  endedAt?: EpochMs;
  status?: number;
  errorCode?: number;
  bytes?: number;
}

/** The functions that write one record for each request. */
export type Recorder = "vend-token" | "call-method";

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
export function auditRecord(
  recorder: Recorder,
  facts: Facts,
  outcome: Outcome,
  deployment: string,
  now: EpochMs,
) {
  const { request, caller, asked, allowance, key, claims, call } = facts;
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
    service_account: clip(asked?.serviceAccount),
    requested_ttl_seconds: asked && "ttlSeconds" in asked ? asked.ttlSeconds : undefined,
    requested_account_id: asked?.accountId,
    platform_method: asked && clip(methodOf(asked)),
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
    platform_parameters: call?.parameters,
    platform_status: call?.status,
    platform_error_code: call?.errorCode,
    platform_bytes: call?.bytes,
    platform_ms: call?.endedAt === undefined ? undefined : call.endedAt - call.startedAt,
    request_id: facts.requestId,
    extended_request_id: clip(request?.extendedRequestId),
    api_id: request?.apiId,
    latency_ms: now - facts.receivedAt,
    ...metricsOf(recorder, facts, outcome, deployment, now),
  };
}

function kindOf(outcome: Outcome): "vended" | "called" | "listed" | "refused" | "failed" {
  switch (outcome.reason) {
    case "token_vended":
      return "vended";
    case "method_called":
      return "called";
    case "entitlements_listed":
      return "listed";
    case "signing_key_unavailable":
    case "platform_unavailable":
    case "platform_timeout":
    case "response_too_large":
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
 * The service account is a dimension only if a grant allows the request. Otherwise callers could
 * make up names, and each name would become a metric that AWS charges for.
 */
function metricsOf(
  recorder: Recorder,
  { allowance, key, call, receivedAt }: Facts,
  outcome: Outcome,
  deployment: string,
  now: EpochMs,
) {
  const kind = kindOf(outcome);
  const { reason } = outcome;
  const createdAt = key && "held" in key ? key.held.createdAt : undefined;
  const isServed = kind === "vended" || kind === "called";
  const common = {
    LatencyMs: now - receivedAt,
    Refusals: oneIf(kind === "refused"),
    KeyUnavailable: oneIf(reason === "signing_key_unavailable"),
    Errors: oneIf(reason === "internal_error"),
    WrongAccountKey: oneIf(reason === "internal_error" && outcome.fault === "wrong_account_key"),
    KeyServedStale: oneIf(isServed && key?.state === "stale"),
    KeyAgeSeconds: createdAt === undefined ? undefined : (now - createdAt) / 1000,
  };
  if (recorder === "vend-token") {
    const metrics = { TokensVended: oneIf(kind === "vended"), ...common };
    const detailed = allowance ? metricsByServiceAccount[recorder] : [];
    return embeddedMetrics(recorder, metrics, detailed, deployment, now);
  }
  const metrics = {
    MethodsCalled: oneIf(kind === "called"),
    ...common,
    PlatformUnavailable: oneIf(reason === "platform_unavailable" || reason === "platform_timeout"),
    PlatformLatencyMs: call?.endedAt === undefined ? undefined : call.endedAt - call.startedAt,
  };
  const detailed = allowance ? metricsByServiceAccount[recorder] : [];
  return embeddedMetrics(recorder, metrics, detailed, deployment, now);
}

function oneIf(condition: boolean): 1 | undefined {
  return condition ? 1 : undefined;
}

function clip(text: string | undefined, length = MAX_TEXT): string | undefined {
  return text !== undefined && text.length > length ? `${text.slice(0, length)}…` : text;
}
