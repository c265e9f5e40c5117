import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { Sha256 } from "@smithy/core/checksum";
import { createScope, getSigningKey } from "@smithy/signature-v4";
import type { RawRequest } from "../exchange.ts";
import { amzDate, type Authorization, readAuthorization } from "./authorization.ts";
import { canonicalRequests } from "./canonical.ts";
import type { Identity } from "./identity.ts";
import { forbidden, type Refusal, unknownClient } from "./refusal.ts";

const MAX_SKEW_MS = 5 * 60_000;

/**
 * Signs the request again with the secret key of the named signer, and compares the signatures.
 *
 * @returns the signer's identity, or API Gateway's refusal in AWS's own words.
 */
export async function verifySignature(
  request: RawRequest,
  options: { readonly identities: readonly Identity[]; readonly now: Date },
): Promise<{ readonly identity: Identity } | Refusal> {
  const authorization = readAuthorization(request);
  if ("response" in authorization) return authorization;
  const identity = options.identities.find((one) => one.accessKeyId === authorization.accessKeyId);
  if (identity === undefined || identity.sessionToken !== authorization.sessionToken) return unknownClient;
  const refusal =
    checkScope(authorization) ??
    checkHeaders(request, authorization) ??
    checkTime(authorization, options.now);
  if (refusal !== undefined) return refusal;
  const canonical = canonicalRequests(request, authorization.signedHeaders);
  const toSign = canonical.map((text) => stringToSign(text, authorization));
  const [day, region, service] = authorization.scope;
  const { accessKeyId, secretAccessKey } = identity;
  const key = await getSigningKey(Sha256, { accessKeyId, secretAccessKey }, day, region, service);
  const matches = toSign.some((text) => equal(hmac(key, text), authorization.signature));
  if (matches) return { identity };
  return invalid(
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key " +
      "and signing method. Consult the service documentation for details.\n\n" +
      `The Canonical String for this request should have been\n'${canonical[0] ?? ""}'\n\n` +
      `The String-to-Sign should have been\n'${toSign[0] ?? ""}'\n`,
  );
}

function invalid(message: string): Refusal {
  return forbidden("InvalidSignatureException", message);
}

function checkScope({
  scope: [day, region, service, terminator],
  signedAt,
}: Authorization): Refusal | undefined {
  const date = amzDate(signedAt);
  if (terminator !== "aws4_request") {
    return invalid(
      `Credential should be scoped with a valid terminator: 'aws4_request', not '${terminator}'.`,
    );
  }
  if (service !== "execute-api") {
    return invalid("Credential should be scoped to correct service: 'execute-api'.");
  }
  // The stand-in accepts the name of any region.
  if (!/^[a-z]{2,4}(-[a-z]+)+-\d$/.test(region)) {
    return invalid(`Credential should be scoped to a valid region, not '${region}'.`);
  }
  if (day !== date.slice(0, 8)) {
    return invalid(
      `Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '${day}' != '${date.slice(0, 8)}', from '${date}'.`,
    );
  }
  return undefined;
}

/**
 * AWS requires that the host and every x-amz-* header of the request are signed.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
function checkHeaders(request: RawRequest, { signedHeaders }: Authorization): Refusal | undefined {
  if (!signedHeaders.includes("host")) {
    return invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
  }
  const unsigned = request.headers.find(
    ([name]) => /^x-amz-/i.test(name) && !signedHeaders.includes(name.toLowerCase()),
  );
  if (unsigned === undefined) return undefined;
  const name = unsigned[0].toLowerCase().replace(/(?<=^|-)[a-z]/g, (letter) => letter.toUpperCase());
  return invalid(`'${name}' must be a 'SignedHeader' in the AWS Authorization.`);
}

function checkTime({ signedAt, expiresSeconds }: Authorization, now: Date): Refusal | undefined {
  const lifetimeMs = expiresSeconds === undefined ? MAX_SKEW_MS : expiresSeconds * 1000;
  const lifetime = expiresSeconds === undefined ? "5 min." : `${expiresSeconds} sec.`;
  const earliest = new Date(now.getTime() - lifetimeMs);
  const latest = new Date(now.getTime() + MAX_SKEW_MS);
  if (signedAt < earliest) {
    return invalid(
      `Signature expired: ${amzDate(signedAt)} is now earlier than ${amzDate(earliest)} (${amzDate(now)} - ${lifetime})`,
    );
  }
  if (signedAt > latest) {
    return invalid(
      `Signature not yet current: ${amzDate(signedAt)} is still later than ${amzDate(latest)} (${amzDate(now)} + 5 min.)`,
    );
  }
  return undefined;
}

function stringToSign(
  canonicalRequest: string,
  { scope: [day, region, service], signedAt }: Authorization,
): string {
  const hash = createHash("sha256").update(canonicalRequest).digest("hex");
  return ["AWS4-HMAC-SHA256", amzDate(signedAt), createScope(day, region, service), hash].join("\n");
}

function hmac(key: Uint8Array, text: string): string {
  return createHmac("sha256", key).update(text).digest("hex");
}

/** Compares in constant time. Both texts are hashed first, so that they have the same length. */
function equal(one: string, other: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
