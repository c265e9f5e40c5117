import type { VendFailure } from "../outcome.ts";
import { methodPath, routes, tokenPath } from "./wire.ts";

export type Route =
  | { readonly name: "vend_token"; readonly serviceAccount: string }
  | { readonly name: "call_method"; readonly serviceAccount: string; readonly method: string }
  | { readonly name: "list_entitlements" };

const TOKEN_PATH = new RegExp(`^${tokenPath("([^/]+)")}$`);
const METHOD_PATH = new RegExp(`^${methodPath("([^/]+)", "([^/]+)")}$`);

/**
 * Finds the route. The names of the service account and of the method are compared as they were
 * sent and never percent-decoded: IAM policies match the path, and one name must not have two
 * spellings there.
 */
export function matchRoute(method: string, path: string): Route | VendFailure {
  const { vendToken, callMethod, listEntitlements } = routes;
  const serviceAccount = TOKEN_PATH.exec(path)?.[1];
  if (serviceAccount !== undefined) {
    if (method !== vendToken.method) return methodNotAllowed(method, vendToken.method);
    return { name: "vend_token", serviceAccount };
  }
  const call = METHOD_PATH.exec(path);
  if (call) {
    if (method !== callMethod.method) return methodNotAllowed(method, callMethod.method);
    return { name: "call_method", serviceAccount: call[1] ?? "", method: call[2] ?? "" };
  }
  if (path === listEntitlements.path) {
    if (method !== listEntitlements.method) return methodNotAllowed(method, listEntitlements.method);
    return { name: "list_entitlements" };
  }
  return noSuchPath;
}

export const noSuchPath = {
  reason: "not_found",
  detail: "no such path",
} as const satisfies VendFailure;

function methodNotAllowed(method: string, allow: string): VendFailure {
  return { reason: "method_not_allowed", allow, detail: `${method} instead of ${allow}` };
}
