import * as z from "zod";
import { SecretsManagerError } from "./error.ts";

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

/** https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html */
export const secretName = z
  .string()
  .min(1)
  .max(512)
  .regex(/^[A-Za-z0-9/_+=.@!-]+$/, { error: INVALID_NAME });

/**
 * Reads the body of a call. Errors: SerializationException (not JSON), ValidationException (names
 * the field).
 */
export function parseInput<T>(schema: z.ZodType<T>, body: Buffer): T {
  let json: unknown;
  try {
    json = JSON.parse(body.toString("utf8") || "{}");
  } catch {
    throw new SecretsManagerError("SerializationException", "The request body is not valid JSON.");
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
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
