import { identifyCaller } from "../lib/caller/caller.ts";
import { hasWildcard } from "../lib/grants/arn-like.ts";
import { indexGrants, listEntitlements } from "../lib/grants/authorize.ts";
import { knownMethods } from "../lib/grants/known-methods.ts";
import { matchesMethod } from "../lib/grants/methods.ts";
import type { Entitlement } from "../lib/grants/policy.ts";
import { methodPath } from "../lib/http/wire.ts";
import { isFailure } from "../lib/outcome.ts";
import type { Identity } from "./gateway/identity.ts";
import type { Stack } from "./stack.ts";

/**
 * Commands to try against a running stack, for its policy and its identities.
 *
 * @param profiles whether the identities are those of local/aws-credentials.
 */
export function suggestions(
  { url, secretsUrl, managementApi, policy, identities }: Stack,
  { profiles }: { readonly profiles: boolean },
): string {
  const index = indexGrants(policy);
  const entitlements = (identity: Identity): Entitlement[] => {
    const caller = identifyCaller(identity);
    return isFailure(caller) ? [] : listEntitlements(index, caller, Date.now());
  };
  const tokens = (identity: Identity) =>
    entitlements(identity).filter(({ maxTtlSeconds }) => maxTtlSeconds !== undefined);
  const calls = (identity: Identity) => entitlements(identity).filter(({ methods }) => methods.length > 0);
  // A user first: without a session token the command is shorter.
  const users = identities.filter(({ sessionToken }) => sessionToken === undefined);
  const granted = [...users, ...identities].find((identity) => tokens(identity).length > 0);
  const refused = identities.find((identity) => entitlements(identity).length === 0);
  const calling = identities.find((identity) => calls(identity).length > 0);
  const callable = calling && calls(calling)[0];
  // A name without a wildcard, so that the command works as printed.
  const method = [...(callable?.methods ?? []), ...knownMethods].find(
    (name) => !hasWildcard(name) && callable?.methods.some((pattern) => matchesMethod(pattern, name)),
  );
  const name = (granted && tokens(granted)[0]?.name) ?? policy.serviceAccounts[0]?.name ?? "";
  const secret = policy.serviceAccounts.find((account) => account.name === name)?.secret ?? "";
  const tokenUrl = `${url}/v1/service-accounts/${name}/token`;
  return [
    ...(granted ? [`A token, as ${granted.userArn}:`, curl(granted, tokenUrl), ""] : []),
    ...(calling && callable && method !== undefined
      ? [
          `A call of a method through the vendor, without a token, as ${calling.userArn}:`,
          curl(calling, `${url}${methodPath(callable.name, method)}`),
          "",
        ]
      : []),
    ...(refused ? [`A refusal, as ${refused.userArn}:`, curl(refused, tokenUrl), ""] : []),
    "For the next commands, in this folder:",
    `  export VOXTOKEN_URL=${url} VOXIMPLANT_API_URL=${managementApi.apiUrl}`,
    `  export AWS_ENDPOINT_URL_SECRETS_MANAGER=${secretsUrl} AWS_REGION=us-east-1`,
    ...(profiles ? ["  export AWS_SHARED_CREDENTIALS_FILE=local/aws-credentials AWS_PROFILE=alice"] : []),
    "",
    "Your identity, and a call of the Management API with a token:",
    "  npm run --silent voxtoken -- whoami",
    `  npm run --silent voxtoken -- api ${name} GetAccountInfo`,
    "",
    "The secrets, and a rotation of a service account's key:",
    "  aws secretsmanager list-secrets",
    `  aws secretsmanager rotate-secret --secret-id ${secret}`,
  ].join("\n");
}

function curl({ accessKeyId, secretAccessKey, sessionToken }: Identity, url: string): string {
  return [
    `  curl --aws-sigv4 aws:amz:us-east-1:execute-api --user ${accessKeyId}:${secretAccessKey}`,
    ...(sessionToken === undefined ? [] : [`-H x-amz-security-token:${sessionToken}`]),
    `-X POST ${url}`,
  ].join(" \\\n    ");
}
