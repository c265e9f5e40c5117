import type { GetSigningKey } from "./signing-keys.ts";

/**
 * At most this many secrets are fetched at start. Each slows a cold start, and 1,000 containers
 * that start at once must stay below Secrets Manager's quota of 10,000 requests a second.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
 */
const MOST = 4;

/**
 * Fetches keys while Lambda initialises the process, before the first request. Await it at top
 * level. Otherwise Lambda may freeze the process during a fetch, and a fetch that continues minutes
 * later has an expired signature. A failure is only reported: the first request that needs the key
 * fetches again.
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
