import * as z from "zod";
import { invalidRequest, SecretsManagerError } from "./error.ts";

/**
 * AWS's whole answer to an invalid name in CreateSecret and to an invalid SecretId in other calls.
 * It does not name the field (LocalStack's recordings).
 */
const INVALID_NAME =
  "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!";

/** A name or an ARN. */
export const secretId = z
  .string()
  .min(1)
  .max(2048)
  .regex(/^[A-Za-z0-9/_+=.@!:-]+$/, { error: INVALID_NAME });

/**
 * A version's id: the ClientRequestToken of the call that made it. 32 to 64 characters.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
 */
export const requestToken = z.string().min(32).max(64);

/**
 * AWS's message about names allows `!` too, but its API reference does not: "The secret name can
 * contain ASCII letters, numbers, and the following characters: /_+=.@-". Names with `!` are those
 * of AWS's own services (`rds!db-…`).
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
 */
export const secretName = z
  .string()
  .min(1)
  .max(512)
  .regex(/^[A-Za-z0-9/_+=.@!-]+$/, { error: INVALID_NAME })
  .regex(/^[^!]*$/, { error: "The name can contain ASCII letters, numbers, and /_+=.@-" });

/**
 * Every call that stores a value or starts a rotation needs a token; the SDKs and the CLI add one.
 * LocalStack recorded the error on AWS, even for a secret that does not exist
 * (test_no_client_request_token).
 */
export function requireToken(token: string | undefined, error = invalidRequest): string {
  if (token !== undefined) return token;
  throw error("You must provide a ClientRequestToken value. We recommend a UUID-type value.");
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads the body of a call. Errors: SerializationException (not JSON, or a value of a wrong type);
 * ValidationException (names the field, unless its message is INVALID_NAME).
 */
export function parseInput<T>(schema: z.ZodType<T>, body: Buffer): T {
  let json: unknown;
  try {
    // In AWS's JSON, null is an absent field.
    json = JSON.parse(utf8.decode(body) || "{}", (_, value: unknown) => value ?? undefined);
  } catch {
    throw new SecretsManagerError("SerializationException", "The request body is not valid JSON.");
  }
  const parsed = schema.safeParse(json, { reportInput: true });
  if (parsed.success) return parsed.data;
  const mistyped = parsed.error.issues.find(
    ({ code, input, path }) => code === "invalid_type" && (input !== undefined || path.length === 0),
  );
  if (mistyped !== undefined) {
    const place = mistyped.path.length === 0 ? "the request body" : mistyped.path.join(".");
    throw new SecretsManagerError("SerializationException", `The type of ${place} is wrong.`);
  }
  if (parsed.error.issues.some(({ message }) => message === INVALID_NAME)) {
    throw new SecretsManagerError("ValidationException", INVALID_NAME);
  }
  const problems = parsed.error.issues.map(
    (issue) => `Value at '${issue.path.join(".")}' failed to satisfy constraint: ${issue.message}`,
  );
  throw new SecretsManagerError(
    "ValidationException",
    `${problems.length} validation error${problems.length > 1 ? "s" : ""} detected: ${problems.join("; ")}`,
  );
}
