import type { Log, WriteLine } from "./audit/log.ts";
import { auditRecord, type Facts } from "./audit/record.ts";
import { type Caller, identifyCaller } from "./caller/caller.ts";
import type { EpochMs } from "./epoch.ts";
import { authorize, type GrantIndex, listEntitlements } from "./grants/authorize.ts";
import { type ServiceAccount, wrongAccount } from "./grants/policy.ts";
import { readTokenRequest } from "./http/body.ts";
import { readRequest } from "./http/request.ts";
import { type HttpResponse, toResponse } from "./http/response.ts";
import { matchRoute } from "./http/route.ts";
import type { SigningKey } from "./keys/signing-key.ts";
import type { GetSigningKey } from "./keys/signing-keys.ts";
import { isFailure, type Outcome, type VendFailure } from "./outcome.ts";
import { tokenClaims } from "./token/claims.ts";
import { fingerprint, mintToken } from "./token/mint.ts";

export interface VendDependencies {
  readonly grants: GrantIndex;
  readonly getSigningKey: GetSigningKey;
  /** Has written the line when it returns. Throws if it cannot; then no token leaves. */
  readonly writeAudit: WriteLine;
  readonly log: Log;
  /** Of the custom domain's mapping, if there is one: it is stripped from the path. */
  readonly basePath?: string | undefined;
  /** `<service>-<stage>`, or `local`: a dimension of the metrics. */
  readonly deployment: string;
  readonly now: () => EpochMs;
  /** A new UUID. */
  readonly newId: () => string;
}

/** What is used of Lambda's context. Optional, so that the function can be called by hand. */
export interface InvocationContext {
  readonly awsRequestId?: string;
}

export type VendHandler = (event: unknown, context?: InvocationContext) => Promise<HttpResponse>;

/**
 * The function behind both routes: request → audit record → response. The record is written before
 * the response leaves, and for a crash as well.
 */
export function createVendHandler(dependencies: VendDependencies): VendHandler {
  const { writeAudit, log, deployment, now, newId } = dependencies;

  return async (event, context) => {
    const facts: Facts = { receivedAt: now(), requestId: context?.awsRequestId ?? newId() };
    let outcome = await vend(dependencies, event, facts).catch(crashed);
    try {
      writeAudit(JSON.stringify(auditRecord(facts, outcome, deployment, now())));
    } catch (error) {
      // If the log cannot be written either, the invocation fails and counts in Lambda's own
      // errors.
      outcome = crashed(error);
    }
    return toResponse(outcome, facts.requestId);

    function crashed(error: unknown): Outcome {
      const detail =
        error instanceof Error
          ? `${error.name}: ${error.message}`
          : "something that is not an Error was thrown";
      log("error", detail, { request_id: facts.requestId });
      return { reason: "internal_error", detail };
    }
  };
}

/**
 * The steps from the left to the right: caller, grant, signing key, token. Order matters: never
 * parse the body before the caller is identified, never fetch a key before the grant is decided.
 */
async function vend(dependencies: VendDependencies, event: unknown, facts: Facts): Promise<Outcome> {
  const request = (facts.request = readRequest(event, dependencies.basePath));
  if (request.requestId) facts.requestId = request.requestId;

  const route = matchRoute(request.method, request.path);
  if (isFailure(route)) return route;

  const caller = identifyCaller(request.identity);
  if (isFailure(caller)) return caller;
  facts.caller = caller;

  switch (route.name) {
    case "list_entitlements": {
      const entitlements = listEntitlements(dependencies.grants, caller);
      return { reason: "entitlements_listed", principal: caller.principal, entitlements };
    }
    case "vend_token":
      return vendToken(dependencies, caller, route.serviceAccount, request.body, facts);
  }
}

async function vendToken(
  dependencies: VendDependencies,
  caller: Caller,
  serviceAccountName: string,
  body: string,
  facts: Facts,
): Promise<Outcome> {
  facts.tokenRequest = { serviceAccount: serviceAccountName };
  const tokenRequest = readTokenRequest(serviceAccountName, body);
  if (isFailure(tokenRequest)) return tokenRequest;
  facts.tokenRequest = tokenRequest;

  const allowance = authorize(dependencies.grants, caller, tokenRequest);
  if (isFailure(allowance)) return allowance;
  facts.allowance = allowance;
  const { serviceAccount, ttlSeconds, accountId } = allowance;

  const signingKey = await findSigningKey(dependencies, serviceAccount, facts);
  if (isFailure(signingKey)) return signingKey;

  const issuedAt = dependencies.now();
  const jti = dependencies.newId();
  const identity = serviceAccount.claims === "minimal" ? undefined : { sub: caller.principal, jti };
  const claims = tokenClaims(accountId ?? signingKey.accountId, ttlSeconds, issuedAt, identity);
  const token = await mintToken(claims, signingKey);

  Object.assign(facts, { claims, jti, tokenSha256: fingerprint(token) } satisfies Partial<Facts>);
  const expiresIn = claims.exp - Math.floor(issuedAt / 1000);
  return { reason: "token_vended", token, claims, expiresIn, serviceAccount };
}

/** The service account's key, if it belongs to the account that the policy names. */
async function findSigningKey(
  { getSigningKey, log }: VendDependencies,
  serviceAccount: ServiceAccount,
  facts: Facts,
): Promise<SigningKey | VendFailure> {
  const logged = { request_id: facts.requestId };
  const key = (facts.key = await getSigningKey(serviceAccount.secret));
  if (isFailure(key)) {
    log("error", key.detail, logged);
    return key;
  }
  const { signingKey } = key.held;
  const detail = wrongAccount(serviceAccount, signingKey);
  if (detail !== undefined) {
    log("error", detail, logged);
    return { reason: "internal_error", fault: "wrong_account_key", detail };
  }
  if (key.state === "stale") log("warn", `serving a stale key; ${key.detail}`, logged);
  return signingKey;
}
