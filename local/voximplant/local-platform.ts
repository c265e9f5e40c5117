import { createPublicKey } from "node:crypto";
import type { Policy } from "../../lib/grants/policy.ts";
import { type Credentials, CredentialsFileError, parseCredentials } from "../../lib/keys/credentials-file.ts";
import { LOCAL_ACCOUNT } from "../credentials.ts";
import type { ManagementApiOptions } from "./server.ts";

/**
 * The state that the Management API stand-in needs to accept tokens signed with these secrets: the
 * accounts, with the child accounts of the grants file; the keys; and for each key a routing rule
 * that is bound to it.
 *
 * @param secrets values by name.
 * @param warn called for each value that is not a credentials file.
 */
export function platformOf(
  policy: Policy,
  secrets: ReadonlyMap<string, string>,
  warn: (message: string) => void,
): Pick<ManagementApiOptions, "accounts" | "keys" | "rules"> {
  const keys = policy.serviceAccounts.flatMap(({ name, secret }) => {
    const credentials = readCredentials(secret, secrets.get(secret), warn);
    return credentials === undefined ? [] : [{ name, ...credentials }];
  });
  const parents = [...new Set([LOCAL_ACCOUNT.accountId, ...keys.map(({ accountId }) => accountId)])];
  const childAccountIds = [...new Set(policy.grants.flatMap((grant) => grant.childAccountIds))];
  return {
    accounts: [
      ...childAccountIds.map((accountId) => ({ accountId })),
      ...parents.map((accountId) => ({ ...LOCAL_ACCOUNT, accountId, childAccountIds })),
    ],
    keys: keys.map(({ name, accountId, keyId, privateKey }) => ({
      accountId,
      keyId,
      pem: privateKey,
      name,
      description: `Made by the local stack for ${name}.`,
      roles: ["Developer"],
    })),
    rules: keys.map(({ name, accountId, keyId }, index) => ({
      ruleId: index + 1,
      accountId,
      applicationId: 1,
      name,
      pattern: ".*",
      bindKeyId: keyId,
    })),
  };
}

function readCredentials(
  secret: string,
  value: string | undefined,
  warn: (message: string) => void,
): Credentials | undefined {
  if (value === undefined) return undefined;
  try {
    const credentials = parseCredentials(value);
    createPublicKey(credentials.privateKey);
    return credentials;
  } catch (error) {
    // CredentialsFileError quotes no value. OpenSSL's message is replaced.
    const reason = error instanceof CredentialsFileError ? error.message : "private_key: not a key";
    warn(`The Management API stand-in has no key for the secret ${secret}: ${reason}`);
    return undefined;
  }
}
