import * as z from "zod/mini";
import type { TokenRequest } from "../grants/policy.ts";
import type { VendFailure } from "../outcome.ts";
import { MAX_TTL_SECONDS, MIN_TTL_SECONDS, type TokenRequestBody } from "./wire.ts";

export const MAX_BODY_BYTES = 1024;

const ttl = `must be a whole number of seconds from ${MIN_TTL_SECONDS} to ${MAX_TTL_SECONDS}`;
const account = "must be the id of a child account, a positive whole number";

const fields = {
  ttl_seconds: z.optional(z.int(ttl).check(z.minimum(MIN_TTL_SECONDS, ttl), z.maximum(MAX_TTL_SECONDS, ttl))),
  account_id: z.optional(z.int(account).check(z.positive(account))),
} satisfies Record<keyof TokenRequestBody, unknown>;
const tokenRequestBody = z.strictObject(fields);

/** The names of all fields of a token request's body. */
export const tokenRequestFields = Object.keys(fields);

/** Reads the body of a token request. Empty means the defaults. Refuses unknown fields. */
export function readTokenRequest(serviceAccount: string, body: string): TokenRequest | VendFailure {
  if (Buffer.byteLength(body) > MAX_BODY_BYTES)
    return invalid(`body: must be at most ${MAX_BODY_BYTES} bytes`);
  if (body === "") return { serviceAccount };

  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return invalid('body: must be JSON, such as {"ttl_seconds": 300}, or empty');
  }
  const parsed = tokenRequestBody.safeParse(json);
  if (!parsed.success) return invalid(parsed.error.issues.map(describe).join("; "));
  const { ttl_seconds, account_id, ...ignored } = parsed.data;
  // Does not compile if the body has a field that is not read here, and so would be ignored.
  ignored satisfies Record<string, never>;
  return {
    serviceAccount,
    ...(ttl_seconds !== undefined && { ttlSeconds: ttl_seconds }),
    ...(account_id !== undefined && { accountId: account_id }),
  };
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") {
    const unknown = issue.keys.map((key) => JSON.stringify(key)).join(", ");
    return `unknown field ${unknown}; the known fields are ${tokenRequestFields.join(" and ")}`;
  }
  return issue.path.length === 0
    ? "body: must be a JSON object"
    : `${issue.path.join(".")}: ${issue.message}`;
}

function invalid(detail: string): VendFailure {
  return { reason: "invalid_request", detail };
}
