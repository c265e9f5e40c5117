import type { Log, WriteLine } from "./audit/log.ts";
import { auditRecord, type Facts, type Recorder } from "./audit/record.ts";
import { type Caller, identifyCaller } from "./caller/caller.ts";
import type { EpochMs } from "./epoch.ts";
import type { GrantIndex } from "./grants/authorize.ts";
import { type ServiceAccount, wrongAccount } from "./grants/policy.ts";
import { type GatewayRequest, readRequest } from "./http/request.ts";
import { type HttpResponse, toResponse } from "./http/response.ts";
import { matchRoute, type Route } from "./http/route.ts";
import type { SigningKey } from "./keys/signing-key.ts";
import type { GetSigningKey } from "./keys/signing-keys.ts";
import { isFailure, type Outcome, type VendFailure } from "./outcome.ts";

/** What vend.ts and call.ts have in common: the first steps, the signing key, and the record. */

export interface RequestDependencies {
  readonly grants: GrantIndex;
  readonly getSigningKey: GetSigningKey;
  /** Has written the line when it returns. If it throws, the caller gets an error and no token. */
  readonly writeAudit: WriteLine;
  readonly log: Log;
  /** The base path of a custom domain, if there is one. It is removed from the path. */
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

export type RequestHandler = (event: unknown, context?: InvocationContext) => Promise<HttpResponse>;

/**
 * Request → outcome → audit record → response. The record is written before the response leaves,
 * also if `decide` throws.
 *
 * @param decide the steps in between. What they learn goes into `facts`.
 */
export function createRequestHandler(
  recorder: Recorder,
  { writeAudit, log, deployment, now, newId }: RequestDependencies,
  decide: (event: unknown, facts: Facts) => Promise<Outcome>,
): RequestHandler {
  return async (event, context) => {
    const facts: Facts = { receivedAt: now(), requestId: context?.awsRequestId ?? newId() };
    let outcome = await decide(event, facts).catch(crashed);
    try {
      writeAudit(JSON.stringify(auditRecord(recorder, facts, outcome, deployment, now())));
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

/** Returns the request, its route and its caller. */
export function identify(
  event: unknown,
  basePath: string | undefined,
  facts: Facts,
): { readonly request: GatewayRequest; readonly route: Route; readonly caller: Caller } | VendFailure {
  const request = (facts.request = readRequest(event, basePath));
  if (request.requestId) facts.requestId = request.requestId;

  const route = matchRoute(request.method, request.path);
  if (isFailure(route)) return route;

  const caller = identifyCaller(request.identity);
  if (isFailure(caller)) return caller;
  facts.caller = caller;
  return { request, route, caller };
}

/**
 * The service account's key, if it belongs to the account that the policy names.
 *
 * @param refusedKeyId the id of a key that the platform has refused
 */
export async function findSigningKey(
  { getSigningKey, log }: RequestDependencies,
  serviceAccount: ServiceAccount,
  facts: Facts,
  refusedKeyId?: string,
): Promise<SigningKey | VendFailure> {
  const logged = { request_id: facts.requestId };
  const key = (facts.key = await getSigningKey(serviceAccount.secret, refusedKeyId));
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
