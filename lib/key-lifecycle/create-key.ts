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

/**
 * Deletes a new key that is in no secret. It has no use, and could be stolen.
 *
 * @param reason why the key was not stored
 * @throws KeyLifecycleError the key may still exist: the deletion was refused, its answer was lost,
 *   or the platform does not find the key
 */
export async function deleteAgain(api: ManagementApi, keyId: string, reason: unknown): Promise<void> {
  try {
    // "absent" does not prove that the key is gone. The platform may not find a new key yet.
    if ((await api.deleteKey(keyId)) === "absent")
      throw new KeyLifecycleError("The platform does not find it. Look for it in the control panel.");
  } catch (error) {
    throw new KeyLifecycleError(
      `${messageOf(reason)} The new key ${keyId} may still exist: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
