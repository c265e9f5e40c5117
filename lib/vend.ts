import type { Log, WriteLine } from "./audit/log.ts";
import { auditRecord, type Facts } from "./audit/record.ts";
import type { Caller } from "./caller/caller.ts";
import { identifyCaller } from "./caller/identify.ts";
import { authorize, type GrantIndex, listEntitlements } from "./grants/authorize.ts";
import { wrongAccount } from "./grants/policy.ts";
import { readTokenRequest } from "./http/body.ts";
import { readRequest } from "./http/request.ts";
import { type HttpResponse, toResponse } from "./http/response.ts";
import { matchRoute } from "./http/route.ts";
import type { GetSigningKey } from "./keys/signing-keys.ts";
import type { Outcome } from "./outcome.ts";
import { tokenClaims } from "./token/claims.ts";
import { fingerprint, mintToken } from "./token/mint.ts";

export interface VendDependencies {
  readonly grants: GrantIndex;
  readonly getSigningKey: GetSigningKey;
  /** Has written the line when it returns; throws where it cannot, and then no token leaves. */
  readonly writeAudit: WriteLine;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** A new UUID. */
  readonly newId: () => string;
}

/**
 * The one thing of Lambda's context that is used; whoever calls the function by hand may leave it
 * out.
 */
export interface InvocationContext {
  readonly awsRequestId?: string;
}

export type VendHandler = (event: unknown, context?: InvocationContext) => Promise<HttpResponse>;

/**
 * The function behind both routes: request → audit record → response, whatever happens in between.
 * Nothing leaves before the record is written; a crash has its record too.
 */
export function createVendHandler(dependencies: VendDependencies): VendHandler {
  const { writeAudit, log, now, newId } = dependencies;

  return async (event, context) => {
    const facts: Facts = { receivedAt: now(), requestId: context?.awsRequestId ?? newId() };
    let outcome = await vend(dependencies, event, facts).catch(crashed);
    try {
      writeAudit(JSON.stringify(auditRecord(facts, outcome, now())));
    } catch (error) {
      // Where the log cannot be written either, the invocation fails, and Lambda's own error metric
      // is what tells.
      outcome = crashed(error);
    }
    return toResponse(outcome, facts.requestId);

    function crashed(error: unknown): Outcome {
      const detail =
        error instanceof Error ? `${error.name}: ${error.message}` : "something that is no Error was thrown";
      log("error", detail, { request_id: facts.requestId });
      return { reason: "internal_error", detail };
    }
  };
}

/**
 * Left to right, no way back: caller → grant → signing key → token. The order is the security of
 * it: the caller is known before its words are read, and allowed before a key is touched.
 */
async function vend(dependencies: VendDependencies, event: unknown, facts: Facts): Promise<Outcome> {
  const request = (facts.request = readRequest(event));
  if (request.requestId) facts.requestId = request.requestId;

  const route = matchRoute(request.method, request.path);
  if ("reason" in route) return route;

  const identification = identifyCaller(request.identity);
  if (!identification.identified) return { reason: "unauthenticated", detail: identification.detail };
  const caller = (facts.caller = identification.caller);

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
  { grants, getSigningKey, log, now, newId }: VendDependencies,
  caller: Caller,
  serviceAccountName: string,
  body: string,
  facts: Facts,
): Promise<Outcome> {
  facts.tokenRequest = { serviceAccount: serviceAccountName };
  const tokenRequest = readTokenRequest(serviceAccountName, body);
  if ("reason" in tokenRequest) return tokenRequest;
  facts.tokenRequest = tokenRequest;

  const decision = authorize(grants, caller, tokenRequest);
  if (!decision.allowed) return decision;
  facts.allowance = decision;
  const { serviceAccount, ttlSeconds, accountId } = decision;

  const key = (facts.key = await getSigningKey(serviceAccount.secret));
  if (key.state === "unavailable") {
    log("error", key.detail, { request_id: facts.requestId });
    return { reason: "signing_key_unavailable", ...key };
  }
  const { signingKey } = key.held;
  const wrong = wrongAccount(serviceAccount, signingKey);
  if (wrong !== undefined) {
    log("error", wrong, { request_id: facts.requestId });
    return { reason: "internal_error", fault: "wrong_account_key", detail: wrong };
  }
  if (key.state === "stale")
    log("warn", `serving a stale key; ${key.detail}`, { request_id: facts.requestId });

  const issuedAt = now();
  const jti = newId();
  const identity = serviceAccount.claims === "minimal" ? undefined : { sub: caller.principal, jti };
  const claims = tokenClaims(accountId ?? signingKey.accountId, ttlSeconds, issuedAt, identity);
  const token = await mintToken(claims, signingKey);

  Object.assign(facts, { claims, jti, tokenSha256: fingerprint(token) } satisfies Partial<Facts>);
  const expiresIn = claims.exp - Math.floor(issuedAt / 1000);
  return { reason: "token_vended", token, claims, expiresIn, serviceAccount };
}
