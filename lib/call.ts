import type { Facts } from "./audit/record.ts";
import type { Caller } from "./caller/caller.ts";
import { authorize } from "./grants/authorize.ts";
import type { Allowance } from "./grants/policy.ts";
import { type MethodCall, readMethodCall } from "./http/method-body.ts";
import { fitsResponse } from "./http/response.ts";
import { noSuchPath } from "./http/route.ts";
import { CALL_DEADLINE_MS } from "./http/wire.ts";
import type { SigningKey } from "./keys/signing-key.ts";
import { isFailure, type Outcome } from "./outcome.ts";
import {
  createRequestHandler,
  findSigningKey,
  identify,
  type RequestDependencies,
  type RequestHandler,
} from "./request-handler.ts";
import { tokenClaims } from "./token/claims.ts";
import { mintToken } from "./token/mint.ts";
import type { Connection } from "./voximplant/connection.ts";
import { isTokenRefusal } from "./voximplant/errors.ts";
import { type CallFailure, forwardMethod, type PlatformAnswer } from "./voximplant/forward.ts";

export interface CallDependencies extends RequestDependencies {
  /**
   * The connection to the Management API. Its `deadlineMs` limits the time of all attempts for one
   * request together. If the connection has no `deadlineMs`, the limit is {@link CALL_DEADLINE_MS}.
   */
  readonly platform: Connection;
}

const MAX_ANSWER_BYTES = 5 * 1024 * 1024;

/** The function behind the route that calls one method of the Management API. */
export function createCallHandler(dependencies: CallDependencies): RequestHandler {
  return createRequestHandler("call-method", dependencies, (event, facts) =>
    call(dependencies, event, facts),
  );
}

/**
 * The steps in order: caller, grant, signing key, token, call. Order matters: never parse the body
 * before the caller is identified, and never fetch a key before the grant is decided. The
 * platform's answer is returned after the audit record is written. The token is never returned.
 */
async function call(dependencies: CallDependencies, event: unknown, facts: Facts): Promise<Outcome> {
  const identified = identify(event, dependencies.basePath, facts);
  if (isFailure(identified)) return identified;
  const { request, route, caller } = identified;
  if (route.name !== "call_method") return noSuchPath;

  facts.asked = { serviceAccount: route.serviceAccount, method: route.method };
  const methodCall = readMethodCall(route.serviceAccount, route.method, request);
  if (isFailure(methodCall)) return methodCall;
  facts.asked = methodCall.request;

  const allowance = authorize(dependencies.grants, caller, methodCall.request, dependencies.now());
  if (isFailure(allowance)) return allowance;
  facts.allowance = allowance;

  const signingKey = await findSigningKey(dependencies, allowance.serviceAccount, facts);
  if (isFailure(signingKey)) return signingKey;

  const answer = await callWithRenewal(dependencies, caller, allowance, methodCall, signingKey, facts);
  if (isFailure(answer)) return answer;
  if (!fitsResponse(answer.body)) {
    const detail = `the platform's answer of ${answer.body.length} characters is too large for a Lambda response`;
    return { reason: "response_too_large", detail };
  }
  return { reason: "method_called", answer };
}

/**
 * Calls the method. If the platform refuses the token, fetches the signing key again. If that gives
 * a different key, calls the method once more with it.
 */
async function callWithRenewal(
  dependencies: CallDependencies,
  caller: Caller,
  allowance: Allowance,
  methodCall: MethodCall,
  signingKey: SigningKey,
  facts: Facts,
): Promise<PlatformAnswer | CallFailure> {
  const { platform, now } = dependencies;
  const deadline = now() + (platform.deadlineMs ?? CALL_DEADLINE_MS);
  const attempt = (key: SigningKey) =>
    callOnce(dependencies, caller, allowance, methodCall, key, deadline, facts);

  const answer = await attempt(signingKey);
  if (isFailure(answer) || !isTokenRefusal(answer.errorCode)) return answer;

  const { key } = facts;
  const renewed = await findSigningKey(dependencies, allowance.serviceAccount, facts, signingKey.keyId);
  if (isFailure(renewed) || renewed.keyId === signingKey.keyId) {
    Object.assign(facts, { key });
    return answer;
  }
  return attempt(renewed);
}

async function callOnce(
  { platform, now, newId }: CallDependencies,
  caller: Caller,
  { serviceAccount, ttlSeconds, accountId, until }: Allowance,
  { request: { method }, parameters }: MethodCall,
  signingKey: SigningKey,
  deadline: number,
  facts: Facts,
): Promise<PlatformAnswer | CallFailure> {
  const startedAt = now();
  const jti = newId();
  const identity = serviceAccount.claims === "minimal" ? undefined : { sub: caller.principal, jti };
  const claims = tokenClaims(accountId ?? signingKey.accountId, ttlSeconds, startedAt, identity, until);
  const token = await mintToken(claims, signingKey);

  const platformCall = (facts.call = { parameters: [...parameters.keys()], startedAt });
  Object.assign(facts, { claims, jti } satisfies Partial<Facts>);
  // If the clock was set back after `deadline` was computed, `deadline - startedAt` is longer than
  // the whole limit. `Math.min` then limits the attempt to the whole limit.
  const timeoutMs = Math.min(platform.deadlineMs ?? CALL_DEADLINE_MS, deadline - startedAt);
  const connection = { ...platform, maxResponseBytes: MAX_ANSWER_BYTES };
  const answer = await forwardMethod(connection, token, method, parameters, timeoutMs);
  Object.assign(platformCall, {
    endedAt: now(),
    ...(!isFailure(answer) && {
      status: answer.status,
      errorCode: answer.errorCode,
      bytes: Buffer.byteLength(answer.body),
    }),
  });
  return answer;
}
