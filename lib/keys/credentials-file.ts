import * as z from "zod/mini";

/**
 * The credentials file, as Voximplant's control panel downloads it and `CreateKey` returns it. It
 * is the value of the secret, byte for byte. Other fields are ignored.
 */
const credentialsFile = z.object({
  account_id: z.int().check(z.positive()),
  // It stands in tokens, records and messages.
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
 * The text is CreateKey's answer, and the credentials file is only a part of it. It is refused,
 * because the value of a secret is the file unchanged.
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
 * What a credentials file is wrapped in, in words. Undefined: in nothing that is known. The
 * platform's documentation shows `result` as an object; four official clients type an array.
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
 * The value of a secret for a key that `CreateKey` returned: its fields unchanged, and checked the
 * way the functions read them.
 *
 * @throws {CredentialsFileError} a field is missing or of another type.
 */
export function serializeCredentials(created: object): string {
  const text = JSON.stringify(created);
  parseCredentials(text);
  return text;
}
