import type { GetSigningKey } from "./signing-keys.ts";

/** As many secrets as are fetched ahead of their first use; beyond that a cold start would pay for keys it never needs. */
const MOST = 8;

/**
 * Fetches keys while Lambda initialises the process, when CPU is plentiful and nobody waits yet. To be awaited at top
 * level: what is left running would be frozen with the process, and continue minutes later on an expired signature.
 * A failure is reported and nothing else: the first request that needs the key tries again.
 */
export async function warmUp(
  getSigningKey: GetSigningKey,
  secrets: readonly string[],
  report: (detail: string) => void,
): Promise<void> {
  const warm = async (secret: string) => {
    try {
      const outcome = await getSigningKey(secret);
      if (outcome.state !== "fresh") report(outcome.detail);
    } catch (error) {
      report(error instanceof Error ? error.message : `secret ${secret}: ${String(error)}`);
    }
  };
  await Promise.all(secrets.slice(0, MOST).map(warm));
}
