import type { Api } from "./event.ts";
import type { Identity } from "./identity.ts";
import { accessDenied, type Refusal } from "./refusal.ts";

/**
 * Evaluates the caller's IAM policy: its list of allowed resources, or no limit without a list.
 *
 * @returns API Gateway's refusal in AWS's own words, or undefined if the request may pass.
 */
export function checkPolicy(
  { userArn, invoke }: Identity,
  request: { readonly method: string; readonly path: string },
  { region, accountId, apiId, stage }: Api & { readonly region: string },
): Refusal | undefined {
  const resource = `${request.method}${request.path}`;
  if (invoke === undefined || invoke.some((pattern) => matches(pattern, resource))) return undefined;
  const masked = accountId.slice(-4).padStart(accountId.length, "*");
  return accessDenied(userArn, `arn:aws:execute-api:${region}:${masked}:${apiId}/${stage}/${resource}`);
}

/**
 * As IAM matches a resource: `*` is any text, slashes included, `?` is one character, and case
 * matters.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
 */
function matches(pattern: string, resource: string): boolean {
  const source = pattern
    .replace(/[\\^$.+()[\]{}|/]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "su").test(resource);
}
