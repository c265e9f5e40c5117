import type { VendFailure } from "../outcome.ts";

export type Route =
  { readonly name: "vend_token"; readonly serviceAccount: string } | { readonly name: "list_entitlements" };

const TOKEN_PATH = /^\/v1\/service-accounts\/([^/]+)\/token$/;
const LIST_PATH = "/v1/service-accounts";

/**
 * Finds the route. The service account's name is compared as it was sent, never percent-decoded: the path is what IAM
 * policies are matched against, and one name must not have two spellings there.
 */
export function matchRoute(method: string, path: string): Route | VendFailure {
  const serviceAccount = TOKEN_PATH.exec(path)?.[1];
  if (serviceAccount !== undefined) {
    return method === "POST" ? { name: "vend_token", serviceAccount } : methodNotAllowed(method, "POST");
  }
  if (path === LIST_PATH) {
    return method === "GET" ? { name: "list_entitlements" } : methodNotAllowed(method, "GET");
  }
  return { reason: "not_found", detail: "no such path" };
}

function methodNotAllowed(method: string, allow: string): VendFailure {
  return { reason: "method_not_allowed", allow, detail: `${method} instead of ${allow}` };
}
