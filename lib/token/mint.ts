import { createHash } from "node:crypto";
import { CompactSign } from "jose";
import type { SigningKey } from "../keys/signing-key.ts";
import type { TokenClaims } from "./claims.ts";

const encoder = new TextEncoder();

/**
 * Signs claims as a JWT (RFC 7519, JWS compact serialisation, RS256) with the header `{alg, typ,
 * kid}`.
 *
 * Uses CompactSign, because Voximplant's `iss` is a number and the types of SignJWT do not allow
 * that.
 */
export async function mintToken(claims: TokenClaims, { key, keyId }: SigningKey): Promise<string> {
  return new CompactSign(encoder.encode(JSON.stringify(claims)))
    .setProtectedHeader({ alg: "RS256", typ: "JWT", kid: keyId })
    .sign(key);
}

/** SHA-256 of a token in hexadecimal, for the audit record: to trace a leaked token. */
export function fingerprint(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
