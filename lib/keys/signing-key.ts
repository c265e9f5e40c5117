import { createPrivateKey, type KeyObject, webcrypto } from "node:crypto";
import { type Credentials, CredentialsFileError } from "./credentials-file.ts";

/**
 * A key that WebCrypto signs with and does not export. This keeps it from being logged or
 * serialised by mistake. It is no protection against code in this process, which can export it by
 * `KeyObject.from(key)`.
 */
export interface SigningKey {
  /** The Voximplant account the key belongs to. */
  readonly accountId: number;
  /** Voximplant's id of the key: the token's `kid`. */
  readonly keyId: string;
  readonly key: webcrypto.CryptoKey;
}

const MIN_MODULUS_BITS = 2048; // RFC 7518 §3.3
const RS256 = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };

/**
 * Imports the key of a credentials file, and signs once with it. So a key that cannot sign fails
 * here instead of at the first request, and the first request does not pay for OpenSSL's set-up,
 * which doubles the cost of a first signature.
 *
 * @throws {CredentialsFileError} `private_key` is not an RSA private key of at least 2048 bits.
 */
export async function importSigningKey(credentials: Credentials): Promise<SigningKey> {
  const pkcs8 = readRsaKey(credentials.privateKey).export({ type: "pkcs8", format: "der" });
  const key = await webcrypto.subtle.importKey("pkcs8", pkcs8, RS256, false, ["sign"]);
  pkcs8.fill(0);
  await webcrypto.subtle.sign(RS256, key, new Uint8Array());
  return { accountId: credentials.accountId, keyId: credentials.keyId, key };
}

function readRsaKey(pem: string): KeyObject {
  const key = readPrivateKey(pem);
  if (key.asymmetricKeyType !== "rsa") {
    throw new CredentialsFileError(
      `private_key: an RSA key is needed for RS256, this one is ${String(key.asymmetricKeyType)}`,
    );
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < MIN_MODULUS_BITS) {
    throw new CredentialsFileError(
      `private_key: RS256 needs ${MIN_MODULUS_BITS} bits or more, this key has ${bits}`,
    );
  }
  return key;
}

function readPrivateKey(pem: string): KeyObject {
  try {
    return createPrivateKey({ key: pem, format: "pem" });
  } catch (error) {
    // OpenSSL's code says why (encrypted, truncated, not PEM). Its message adds nothing.
    const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
    throw new CredentialsFileError(`private_key: must be an unencrypted private key in PEM${code}`);
  }
}
