import type { VendFailure } from "../outcome.ts";
import { routes, tokenPath } from "./wire.ts";

export type Route =
  { readonly name: "vend_token"; readonly serviceAccount: string } | { readonly name: "list_entitlements" };

const TOKEN_PATH = new RegExp(`^${tokenPath("([^/]+)")}$`);

/**
 * Finds the route. The service account's name is compared as it was sent and never percent-decoded:
 * IAM policies match the path, and one name must not have two spellings there.
 */
export function matchRoute(method: string, path: string): Route | VendFailure {
  const { vendToken, listEntitlements } = routes;
  const serviceAccount = TOKEN_PATH.exec(path)?.[1];
  if (serviceAccount !== undefined) {
    if (method !== vendToken.method) return methodNotAllowed(method, vendToken.method);
    return { name: "vend_token", serviceAccount };
  }
  if (path === listEntitlements.path) {
    if (method !== listEntitlements.method) return methodNotAllowed(method, listEntitlements.method);
    return { name: "list_entitlements" };
  }
  return { reason: "not_found", detail: "no such path" };
}

function methodNotAllowed(method: string, allow: string): VendFailure {
  return { reason: "method_not_allowed", allow, detail: `${method} instead of ${allow}` };
}
