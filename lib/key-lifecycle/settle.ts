import { isRefusal, type VoximplantError } from "../voximplant/errors.ts";

/**
 * Milliseconds between two looks at something that a remote system may show late: one minute in all. Voximplant does not
 * document how soon a new key is known to each method; Secrets Manager's reads may lag behind its writes.
 */
export const SETTLING_PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000] as const;

/** How many of those pauses cover Secrets Manager, whose reads lag by seconds: seven seconds. */
export const STORE_PAUSES = 3;

export interface Waiting {
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** Milliseconds since 1970 after which no further pause begins. */
  readonly deadline?: { readonly now: () => number; readonly at: number };
}

/**
 * Tries until it works, with the pauses above. The last failure is thrown on; so is, at once, one that time does not heal.
 */
export async function settle<T>(
  attempt: () => Promise<T>,
  mayPass: (error: unknown) => boolean,
  { sleep, deadline }: Waiting,
): Promise<T> {
  for (const pause of SETTLING_PAUSES_MS) {
    try {
      return await attempt();
    } catch (error) {
      const isLate = deadline !== undefined && deadline.now() + pause >= deadline.at;
      if (!mayPass(error) || isLate) throw error;
      await sleep(pause);
    }
  }
  return attempt();
}

/** What the platform answers about a key that it does not know, or does not know yet. */
export function isUnknownKey(error: unknown): error is VoximplantError {
  return isRefusal(error, "authorizationFailed", "invalidKeyId");
}
