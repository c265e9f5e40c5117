import { createHash } from "node:crypto";

import { CompactSign } from "jose";

import type { SigningKey } from "../keys/signing-key.ts";
import type { TokenClaims } from "./claims.ts";

const encoder = new TextEncoder();

/**
 * Signs claims as a JWT (RFC 7519, JWS compact serialisation, RS256) with the header `{alg, typ, kid}`.
 *
 * CompactSign rather than SignJWT, because Voximplant's `iss` is a number and SignJWT's types forbid that.
 */
export async function mintToken(claims: TokenClaims, { key, keyId }: SigningKey): Promise<string> {
  return new CompactSign(encoder.encode(JSON.stringify(claims)))
    .setProtectedHeader({ alg: "RS256", typ: "JWT", kid: keyId })
    .sign(key);
}

/** What an audit record says of a token, so that a token found somewhere can be traced: SHA-256 in hexadecimal. */
export function fingerprint(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
