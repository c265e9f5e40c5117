import type { Policy } from "../grants/policy.ts";
import { type KeyState, retireAt } from "../key-lifecycle/classify-keys.ts";
import { labelledAt } from "../key-lifecycle/key-label.ts";
import { currentKey, type SecretSnapshot } from "../key-lifecycle/snapshot.ts";
import { type SnapshotPorts, takeSnapshot } from "../key-lifecycle/take-snapshot.ts";
import { messageOf } from "./finding.ts";

/** A key of a Voximplant account, and what manages it. Plain JSON: the function hands it to `voxtoken admin keys`. */
export interface ListedKey {
  readonly accountId: number | null;
  /** `null`: the service account has no key yet. */
  readonly keyId: string | null;
  readonly name: string | null;
  /** `missing`: a current key that the platform refuses or does not list. `unlisted`: its account could not be listed. */
  readonly state: KeyState["state"] | "missing" | "unlisted" | "none";
  readonly serviceAccount?: string;
  readonly roles: readonly string[];
  /** RFC 3339: when its version was made, or else what its description says. */
  readonly since?: string;
  /** RFC 3339, of a superseded or stray key; absent while replicas of the secret are behind. */
  readonly retireAt?: string;
}

export interface KeyList {
  readonly keys: readonly ListedKey[];
  /** What could not be examined, in words. */
  readonly problems: readonly string[];
}

/** All keys of all accounts, without changing anything. What cannot be read is a problem, and the rest is listed. */
export async function listKeys(ports: SnapshotPorts, policy: Policy): Promise<KeyList> {
  const { accounts, secrets, refused, failures } = await takeSnapshot(ports, policy);
  const listed = accounts.flatMap(({ accountId, keys }) =>
    keys.map(({ key, state }): ListedKey => {
      const since = storedAt(secrets, key.key_id) ?? labelledAt(key, ports.now());
      const until = retireAt(state);
      const isRefused =
        state.state === "current" &&
        refused.some(({ serviceAccount }) => serviceAccount === state.serviceAccount);
      return {
        accountId,
        keyId: key.key_id,
        name: key.key_name,
        state: isRefused ? "missing" : state.state,
        ...("serviceAccount" in state && { serviceAccount: state.serviceAccount }),
        roles: (key.roles ?? [])
          .filter(({ inherited }) => inherited !== true)
          .map(({ role_name }) => role_name),
        ...(since !== undefined && { since: new Date(since).toISOString() }),
        ...(Number.isFinite(until) && until > 0 && { retireAt: new Date(until).toISOString() }),
      };
    }),
  );
  const unlisted = secrets.flatMap((secret) => {
    const { serviceAccount, unreadable } = secret;
    const current = currentKey(secret);
    const isListed = listed.some(({ keyId }) => keyId === current?.keyId);
    if (current === undefined ? unreadable.some(({ labels }) => labels.includes("AWSCURRENT")) : isListed)
      return [];
    const wasListed = accounts.some(({ accountId }) => accountId === current?.accountId);
    const wasRefused = refused.some((problem) => problem.serviceAccount === serviceAccount);
    const state = current === undefined ? "none" : wasListed || wasRefused ? "missing" : "unlisted";
    const row: ListedKey = {
      accountId: current?.accountId ?? null,
      keyId: current?.keyId ?? null,
      name: null,
      state,
      serviceAccount,
      roles: [],
    };
    return [row];
  });
  const problems = [
    ...failures.map(({ serviceAccount, error }) => `${serviceAccount}: ${messageOf(error)}`),
    ...secrets.flatMap(({ serviceAccount, state, unreadable }) =>
      unreadable.map(
        ({ versionId, error }) =>
          `${serviceAccount}: version ${versionId} of secret ${state.name} cannot be read: ${messageOf(error)}`,
      ),
    ),
  ];
  return { keys: [...listed, ...unlisted], problems };
}

/** When the newest version with this key was made. */
function storedAt(secrets: readonly SecretSnapshot[], keyId: string): number | undefined {
  const times = secrets.flatMap(({ keys, createdAt }) =>
    [...keys]
      .filter(([, key]) => key.keyId === keyId)
      .map(([versionId]) => createdAt.get(versionId) ?? Number.NaN),
  );
  const newest = Math.max(...times);
  return Number.isFinite(newest) ? newest : undefined;
}
