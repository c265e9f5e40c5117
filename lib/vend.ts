import type { Facts } from "./audit/record.ts";
import type { Caller } from "./caller/caller.ts";
import { authorize, listEntitlements } from "./grants/authorize.ts";
import { readTokenRequest } from "./http/body.ts";
import { noSuchPath } from "./http/route.ts";
import { isFailure, type Outcome } from "./outcome.ts";
import {
  createRequestHandler,
  findSigningKey,
  identify,
  type RequestDependencies,
  type RequestHandler,
} from "./request-handler.ts";
import { tokenClaims } from "./token/claims.ts";
import { fingerprint, mintToken } from "./token/mint.ts";

/** The function behind the routes that vend a token and list the caller's entitlements. */
export function createVendHandler(dependencies: RequestDependencies): RequestHandler {
  return createRequestHandler("vend-token", dependencies, (event, facts) => vend(dependencies, event, facts));
}

/**
 * The steps in order: caller, grant, signing key, token. Order matters: never parse the body before
 * the caller is identified, and never fetch a key before the grant is decided.
 */
async function vend(dependencies: RequestDependencies, event: unknown, facts: Facts): Promise<Outcome> {
  const identified = identify(event, dependencies.basePath, facts);
  if (isFailure(identified)) return identified;
  const { request, route, caller } = identified;

  switch (route.name) {
    case "list_entitlements": {
      const entitlements = listEntitlements(dependencies.grants, caller, dependencies.now());
      return { reason: "entitlements_listed", principal: caller.principal, entitlements };
    }
    case "vend_token":
      return vendToken(dependencies, caller, route.serviceAccount, request.body, facts);
    case "call_method":
      return noSuchPath;
  }
}

async function vendToken(
  dependencies: RequestDependencies,
  caller: Caller,
  serviceAccountName: string,
  body: string,
  facts: Facts,
): Promise<Outcome> {
  facts.asked = { serviceAccount: serviceAccountName };
  const tokenRequest = readTokenRequest(serviceAccountName, body);
  if (isFailure(tokenRequest)) return tokenRequest;
  facts.asked = tokenRequest;

  const allowance = authorize(dependencies.grants, caller, tokenRequest, dependencies.now());
  if (isFailure(allowance)) return allowance;
  facts.allowance = allowance;
  const { serviceAccount, ttlSeconds, accountId, until } = allowance;

  const signingKey = await findSigningKey(dependencies, serviceAccount, facts);
  if (isFailure(signingKey)) return signingKey;

  const issuedAt = dependencies.now();
  const jti = dependencies.newId();
  const identity = serviceAccount.claims === "minimal" ? undefined : { sub: caller.principal, jti };
  const claims = tokenClaims(accountId ?? signingKey.accountId, ttlSeconds, issuedAt, identity, until);
  const token = await mintToken(claims, signingKey);

  Object.assign(facts, { claims, jti, tokenSha256: fingerprint(token) } satisfies Partial<Facts>);
  const expiresIn = claims.exp - Math.floor(issuedAt / 1000);
  return { reason: "token_vended", token, claims, expiresIn, serviceAccount };
}
