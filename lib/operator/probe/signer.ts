import { CompactSign } from "jose";

import type { SigningKey } from "../../keys/signing-key.ts";
import type { Parameters } from "../../voximplant/call.ts";
import type { Connection } from "../../voximplant/connection.ts";
import { ask, type AskOptions, type Reply } from "./ask.ts";

/** A key, and the form of `iss` that the platform accepts: a number as documented, or a string. */
export interface Signer {
  readonly signingKey: SigningKey;
  readonly iss: number | string;
}

const encoder = new TextEncoder();

/**
 * Signs any claims, also some that the vendor never signs: expired, too long, of an unknown key.
 *
 * @param kid default: the key's own id
 */
export async function sign(
  { signingKey: { key, keyId } }: Signer,
  claims: Readonly<Record<string, unknown>>,
  kid = keyId,
): Promise<string> {
  return new CompactSign(encoder.encode(JSON.stringify(claims)))
    .setProtectedHeader({ alg: "RS256", typ: "JWT", kid })
    .sign(key);
}

/** The claims that are documented as required, with `iat` back-dated by 5 s as in vended tokens. */
export function plainClaims(iss: number | string, now: number, ttlSeconds = 120) {
  const seconds = Math.floor(now / 1000);
  return { iss, iat: seconds - 5, exp: seconds + ttlSeconds };
}

export function signPlain(signer: Signer, now: number, ttlSeconds?: number): Promise<string> {
  return sign(signer, plainClaims(signer.iss, now, ttlSeconds));
}

/** Calls a method with a new token of this key. @throws NoAnswerError */
export async function askAs(
  signer: Signer,
  connection: Connection,
  method: string,
  parameters: Parameters,
  options: AskOptions,
): Promise<Reply> {
  return ask(connection, await signPlain(signer, connection.now()), method, parameters, options);
}
