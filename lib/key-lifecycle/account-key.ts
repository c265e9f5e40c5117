import { parseCredentials } from "../keys/credentials-file.ts";
import { importSigningKey } from "../keys/signing-key.ts";
import { tokenClaims } from "../token/claims.ts";
import { mintToken } from "../token/mint.ts";
import type { Connection } from "../voximplant/connection.ts";
import { type ManagementApi, openManagementApi } from "../voximplant/methods.ts";

/** A service account's key, and the Management API, called with this key. */
export interface AccountKey {
  readonly keyId: string;
  readonly accountId: number;
  readonly api: ManagementApi;
  /** The Management API of a child account: the same key, with the child's id as `iss`. */
  readonly apiOf: (childAccountId: number) => ManagementApi;
}

/** @throws CredentialsFileError not a credentials file, or not an RSA key of at least 2048 bits */
export type OpenKey = (credentialsFile: string) => Promise<AccountKey>;

/**
 * The lifetime that the official Python and Java clients use: enough for a call and its retries.
 */
const TOKEN_TTL_SECONDS = 60;

/** Each call of the returned APIs signs a token of its own. */
export function openKeysOver(connection: Connection): OpenKey {
  return async (credentialsFile) => {
    const signingKey = await importSigningKey(parseCredentials(credentialsFile));
    const { keyId, accountId } = signingKey;
    const apiOf = (account: number) =>
      openManagementApi(connection, async () => ({
        token: await mintToken(tokenClaims(account, TOKEN_TTL_SECONDS, connection.now()), signingKey),
      }));
    return { keyId, accountId, api: apiOf(accountId), apiOf };
  };
}
