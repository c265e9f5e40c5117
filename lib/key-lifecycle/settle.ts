import { isRefusal } from "../voximplant/errors.ts";
import type { Account } from "../voximplant/methods.ts";
import type { AccountKey } from "./account-key.ts";

/** Milliseconds. The platform may need a moment until a new key and its roles are known everywhere. */
export const SETTLING_PAUSES_MS = [1_000, 2_000, 4_000];

/** Proves that the platform takes a key that was made a moment ago. @throws VoximplantError it does not. */
export async function proveUsable(
  { api }: AccountKey,
  sleep: (milliseconds: number) => Promise<void>,
): Promise<Account> {
  for (const pause of SETTLING_PAUSES_MS) {
    try {
      return await api.getAccountInfo();
    } catch (error) {
      if (!isRefusal(error, "authorizationFailed", "invalidKeyId")) throw error;
      await sleep(pause);
    }
  }
  return api.getAccountInfo();
}
