import {
  isRefusal,
  VoximplantFileError,
  VoximplantUnavailableError,
  wasNotSent,
} from "../voximplant/errors.ts";
import type { CreatedKey, ManagementApi } from "../voximplant/methods.ts";
import { KeyLifecycleError } from "./key-lifecycle-error.ts";

/**
 * Creates a key on the platform. The caller must store it: no secret holds it yet.
 *
 * @throws LostKeyError the key may exist
 * @throws VoximplantError and VoximplantUnavailableError: no key was created
 */
export async function createKey(
  api: ManagementApi,
  key: Parameters<ManagementApi["createKey"]>[0],
): Promise<CreatedKey> {
  try {
    return await api.createKey(key);
  } catch (error) {
    if (!mayHaveRun(error)) throw error;
    throw new LostKeyError(
      `${error.message.replace(/[.\s]*$/, ".")} A key named ${key.name} may exist nevertheless. ` +
        "No secret holds it, and its private key is lost.",
      { cause: error },
    );
  }
}

/** The answer of CreateKey was lost. The platform may have created a key that no secret holds. */
export class LostKeyError extends KeyLifecycleError {}

function mayHaveRun(error: unknown): error is Error {
  if (error instanceof VoximplantUnavailableError) return !wasNotSent(error);
  return error instanceof VoximplantFileError || isRefusal(error, "sameOperationRecently");
}
