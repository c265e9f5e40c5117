import { createPrivateKey, type KeyObject, webcrypto } from "node:crypto";

import { type Credentials, CredentialsFileError } from "./credentials-file.ts";

/** A key that can sign and do nothing else: it cannot be read back out of the process's memory by code. */
export interface SigningKey {
  /** The Voximplant account the key belongs to. */
  readonly accountId: number;
  /** Voximplant's name of the key: the token's `kid`. */
  readonly keyId: string;
  readonly key: webcrypto.CryptoKey;
}

const MIN_MODULUS_BITS = 2048; // RFC 7518 §3.3
const RS256 = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };

/**
 * Turns a credentials file into a non-extractable key, and signs once with it: a key that cannot sign is found here
 * rather than at the first request, and OpenSSL's set-up, which doubles the cost of a first signature, is behind us.
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
    // OpenSSL's code says why (encrypted, truncated, no PEM at all); its message adds nothing that helps.
    const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
    throw new CredentialsFileError(`private_key: not an unencrypted private key in PEM${code}`);
  }
}
