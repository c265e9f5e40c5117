import { type Credentials, parseCredentials } from "../keys/credentials-file.ts";
import type { Key } from "../voximplant/methods.ts";
import { belongsToSecret, keyName, labelledAt } from "./key-label.ts";
import { type SecretState, type Vault, versionWith } from "./vault.ts";

/** A secret at one moment: its labels, and which key each labelled version holds. No private key is in it. */
export interface HeldSecret {
  readonly serviceAccount: string;
  readonly state: SecretState;
  /** By version id; a version that has no value yet is missing. */
  readonly keys: ReadonlyMap<string, Pick<Credentials, "keyId" | "accountId">>;
}

/** @throws SecretNotFoundError, CredentialsFileError, and what the AWS SDK throws. */
export async function readSecret(
  vault: Vault,
  { name, secret }: { readonly name: string; readonly secret: string },
): Promise<HeldSecret> {
  const state = await vault.describe(secret);
  const keys = new Map<string, Pick<Credentials, "keyId" | "accountId">>();
  for (const versionId of state.stages.keys()) {
    const value = await vault.readVersion(state.arn, versionId);
    if (value === undefined) continue;
    const { keyId, accountId } = parseCredentials(value);
    keys.set(versionId, { keyId, accountId });
  }
  return { serviceAccount: name, state, keys };
}

/** What a key is to the secret it belongs to. */
export type KeyStatus =
  | { readonly state: "current" }
  /** Of a rotation that has not ended. */
  | { readonly state: "pending" }
  /** Was current, or may have been: tokens made with it may live until `retireAt`, milliseconds since 1970. */
  | { readonly state: "superseded"; readonly retireAt: number }
  /** Made for a version that holds another key: no token was ever made with it, and its private key is lost. */
  | { readonly state: "orphan" };

/**
 * Tells what a key is to a secret, or `undefined`: it does not belong to it.
 *
 * A key that is not current has not been current since the secret last changed, since the move of a label is a change.
 * So `graceMs` counts from there: later changes make it longer, never shorter, and nothing has to be written down.
 * A key that has just been made but is in no version yet (`voxtoken admin bootstrap`) is protected by its own label.
 *
 * The secret has to be read after the key was listed: a key that was made since is then not among the keys.
 */
export function judgeKey(key: Key, secret: HeldSecret, graceMs: number, now: number): KeyStatus | undefined {
  const current = versionWith("AWSCURRENT", secret.state);
  const pending = versionWith("AWSPENDING", secret.state);
  const holding = (versionId: string | undefined) =>
    versionId === undefined ? undefined : secret.keys.get(versionId)?.keyId;
  if (key.key_id === holding(current)) return { state: "current" };
  if (key.key_id === holding(pending)) return { state: "pending" };

  const isHeld = [...secret.keys.values()].some(({ keyId }) => keyId === key.key_id);
  if (!isHeld) {
    if (!belongsToSecret(key, secret.state.arn)) return undefined;
    if (
      pending !== undefined &&
      !secret.keys.has(pending) &&
      key.key_name === keyName(secret.state.arn, pending)
    )
      return { state: "pending" };
    for (const versionId of secret.keys.keys())
      if (key.key_name === keyName(secret.state.arn, versionId)) return { state: "orphan" };
  }
  if (!secret.state.replicasInSync) return { state: "superseded", retireAt: Number.POSITIVE_INFINITY };
  const since = Math.max(secret.state.lastChangedAt, labelledAt(key, now) ?? 0);
  return { state: "superseded", retireAt: since + graceMs };
}
