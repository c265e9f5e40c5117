import { KeyLifecycleError } from "../key-lifecycle/key-lifecycle-error.ts";
import { isBeingReplicated, type SecretStore } from "../key-lifecycle/secret-store.ts";
import { SETTLING_PAUSES_MS } from "../key-lifecycle/settle.ts";
import { messageOf } from "./finding.ts";
import type { ReplacementPorts } from "./replace-key.ts";

/**
 * Makes the functions' containers drop their keys, in every region that has a copy of one of the
 * secrets. First waits up to a minute until the copies are up to date: from a copy that is behind,
 * a new container would fetch the deleted key.
 *
 * @param forgetKeys takes the regions of the copies
 * @returns what was done, for people
 * @throws KeyLifecycleError some containers may use the deleted key; the message says which
 */
export async function forgetEverywhere(
  { store, sleep }: Pick<ReplacementPorts, "sleep"> & { readonly store: Pick<SecretStore, "describe"> },
  secrets: readonly string[],
  forgetKeys: (replicaRegions: readonly string[]) => Promise<string>,
): Promise<string> {
  const describe = async () => {
    const answers = await Promise.allSettled(secrets.map((secret) => store.describe(secret)));
    return {
      states: answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : [])),
      failures: answers.flatMap((answer) => (answer.status === "rejected" ? [messageOf(answer.reason)] : [])),
    };
  };
  let described = await describe();
  for (const pause of SETTLING_PAUSES_MS) {
    if (!described.states.some(isBeingReplicated)) break;
    await sleep(pause);
    described = await describe();
  }
  const replicas = described.states.flatMap((state) => state.replicas);
  const regionsOf = (some: typeof replicas) => [...new Set(some.map(({ region }) => region))];
  const behind = regionsOf(replicas.filter(({ inSync }) => !inSync));
  const upToDate = regionsOf(replicas).filter((region) => !behind.includes(region));
  const problems = [
    ...described.failures,
    ...behind.map(
      (region) =>
        `The copy in ${region} is behind. Functions there fetch the deleted key until the copy is up to date.`,
    ),
  ];
  const seen = await forgetKeys(upToDate).catch((error: unknown) => {
    problems.unshift(messageOf(error));
    return undefined;
  });
  if (seen !== undefined && problems.length === 0) return seen;
  throw new KeyLifecycleError([...(seen === undefined ? [] : [`${seen}.`]), ...problems].join(" "));
}
