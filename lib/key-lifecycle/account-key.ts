import { parseCredentials } from "../keys/credentials-file.ts";
import { importSigningKey } from "../keys/signing-key.ts";
import { tokenClaims } from "../token/claims.ts";
import { mintToken } from "../token/mint.ts";
import type { Connection } from "../voximplant/call.ts";
import { type ManagementApi, openManagementApi } from "../voximplant/methods.ts";

/** A service account's key, and the Management API as this key may call it. */
export interface AccountKey {
  readonly keyId: string;
  readonly accountId: number;
  readonly api: ManagementApi;
  /** The API of a child account: the parent's key signs with the child's id as `iss`. */
  readonly apiOf: (childAccountId: number) => ManagementApi;
}

/** @throws CredentialsFileError it is no credentials file, or holds no RSA key of 2048 bits or more. */
export type OpenKey = (credentialsFile: string) => Promise<AccountKey>;

/** As long as the Python and Java clients take: a call and its retries are over by then. */
const TOKEN_TTL_SECONDS = 60;

/** Opens keys from the secrets; each call of the API is made with a token of its own. */
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
