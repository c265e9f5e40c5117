import type { Policy } from "../grants/policy.ts";
import { KeyLifecycleError } from "../key-lifecycle/key-lifecycle-error.ts";
import { SecretNotFoundError, versionWith } from "../key-lifecycle/secret-store.ts";
import { READ_LAG_MS } from "../key-lifecycle/settle.ts";
import type { ReadSecret } from "../key-lifecycle/snapshot.ts";
import type { ReplacementPorts } from "./replace-key.ts";

/**
 * Checks that no secret uses a key that an operator wants deleted to make room. Checks twice,
 * because reads may lag: the first check may miss that the key became current seconds ago.
 *
 * @throws KeyLifecycleError a secret uses the key, or a version that cannot be read may hold it
 */
export async function checkNotInUse(
  { readSecret, sleep }: Pick<ReplacementPorts, "readSecret" | "sleep">,
  policy: Policy,
  keyId: string,
): Promise<void> {
  await checkOnce(readSecret, policy, keyId);
  await sleep(READ_LAG_MS);
  await checkOnce(readSecret, policy, keyId);
}

async function checkOnce(readSecret: ReadSecret, { serviceAccounts }: Policy, keyId: string): Promise<void> {
  for (const serviceAccount of serviceAccounts) {
    const secret = await readSecret(serviceAccount).catch((error: unknown) => {
      if (error instanceof SecretNotFoundError) return undefined;
      throw error;
    });
    if (secret === undefined) continue;
    const { state, keys, unreadable } = secret;
    for (const stage of ["AWSCURRENT", "AWSPENDING"] as const) {
      const version = versionWith(stage, state);
      if (version === undefined) continue;
      if (keys.get(version)?.keyId === keyId) {
        const use = stage === "AWSCURRENT" ? "current" : "pending";
        throw new KeyLifecycleError(
          `Key ${keyId} is a ${use} key, so it was not deleted. Name another key to make room.`,
        );
      }
      if (unreadable.some(({ versionId }) => versionId === version))
        throw new KeyLifecycleError(
          `Key ${keyId} was not deleted. It may be in version ${version} (${stage}) of secret ${state.name}, which ` +
            "cannot be read.",
        );
    }
  }
}
