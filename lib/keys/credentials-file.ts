import * as z from "zod/mini";

/**
 * The credentials file, which you download from Voximplant's control panel. `CreateKey` returns the
 * same object. The secret holds it with all its fields, unchanged. This code reads only these four.
 */
const credentialsFile = z.object({
  account_id: z.int().check(z.positive()),
  // Only printable ASCII, because the id appears in tokens, records and messages.
  key_id: z.string().check(z.regex(/^[!-~]{1,128}$/)),
  private_key: z.string().check(z.minLength(1)),
  account_email: z.optional(z.string()),
});

export interface Credentials {
  readonly accountId: number;
  readonly keyId: string;
  /** PEM: PKCS#8 (`BEGIN PRIVATE KEY`) or PKCS#1 (`BEGIN RSA PRIVATE KEY`). */
  readonly privateKey: string;
  readonly accountEmail?: string;
}

/** What is wrong with a credentials file. Names the field, never the value. */
export class CredentialsFileError extends Error {
  override readonly name = "CredentialsFileError";
}

/**
 * The credentials file is only a part of the text, as in CreateKey's whole answer. The text is
 * refused, because the value of a secret must be the unchanged file.
 */
export class WrappedCredentialsError extends CredentialsFileError {}

/**
 * Reads a credentials file.
 *
 * @throws {CredentialsFileError} not JSON, or a field is missing or of another type; every such
 *   field is named.
 */
export function parseCredentials(text: string): Credentials {
  const json = parseJson(text);
  const parsed = credentialsFile.safeParse(json);
  if (!parsed.success) {
    const wrapping = wrappingOf(json);
    if (wrapping !== undefined)
      throw new WrappedCredentialsError(`file: ${wrapping}; store only the object with the private_key`);
    const problems = parsed.error.issues.map(
      ({ path, message }) => `${path.join(".") || "file"}: ${message}`,
    );
    throw new CredentialsFileError(problems.join("; "));
  }
  const { account_id, key_id, private_key, account_email } = parsed.data;
  return {
    accountId: account_id,
    keyId: key_id,
    privateKey: private_key,
    ...(account_email !== undefined && { accountEmail: account_email }),
  };
}

/**
 * Says in words what a credentials file is wrapped in. Undefined: no known wrapping was found. The
 * platform's documentation shows `result` as an object; four official clients declare an array.
 */
function wrappingOf(json: unknown): string | undefined {
  const isFile = (value: unknown) => typeof value === "object" && value !== null && "private_key" in value;
  const isArrayOfOne = (value: unknown) => Array.isArray(value) && value.length === 1 && isFile(value[0]);
  const { result } = Object(json) as { readonly result?: unknown };
  if (isFile(result) || isArrayOfOne(result)) return "the whole answer of CreateKey";
  return isArrayOfOne(json) ? "an array with one credentials file" : undefined;
}

function parseJson(text: string): unknown {
  try {
    // Editors of Windows put a byte order mark in front, and JSON.parse refuses it (RFC 8259 §8.1).
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch {
    // Drop V8's message: it quotes the text around the fault, which may be the key.
    throw new CredentialsFileError(
      "file: not JSON; the value must be the credentials file as Voximplant gave it",
    );
  }
}

/**
 * Turns a key that `CreateKey` returned into the text to store in a secret. All fields stay as they
 * are. Checks the text by reading it as the functions do.
 *
 * @throws {CredentialsFileError} a field is missing or of another type.
 */
export function serializeCredentials(created: object): string {
  const text = JSON.stringify(created);
  parseCredentials(text);
  return text;
}
