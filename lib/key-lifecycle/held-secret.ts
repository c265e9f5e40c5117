import { type Credentials, parseCredentials } from "../keys/credentials-file.ts";
import type { Key } from "../voximplant/methods.ts";
import { belongsToSecret, keyName } from "./key-label.ts";
import { type SecretState, type SecretStore, versionWith } from "./secret-store.ts";

/** A secret at one moment: its labels, and which key each labelled version holds. No private key is in it. */
export interface HeldSecret {
  readonly serviceAccount: string;
  readonly state: SecretState;
  /** By version id; a version that has no value yet is missing. */
  readonly keys: ReadonlyMap<string, Pick<Credentials, "keyId" | "accountId">>;
}

/** @throws SecretNotFoundError, CredentialsFileError, and what the AWS SDK throws. */
export async function readSecret(
  store: SecretStore,
  { name, secret }: { readonly name: string; readonly secret: string },
): Promise<HeldSecret> {
  const state = await store.describe(secret);
  const keys = new Map<string, Pick<Credentials, "keyId" | "accountId">>();
  for (const versionId of state.stages.keys()) {
    const value = await store.readVersion(state.arn, versionId);
    if (value === undefined) continue;
    const { keyId, accountId } = parseCredentials(value);
    keys.set(versionId, { keyId, accountId });
  }
  return { serviceAccount: name, state, keys };
}

/** The key in the version that is current; `undefined` before the first import. */
export function currentKey({
  state,
  keys,
}: HeldSecret): Pick<Credentials, "keyId" | "accountId"> | undefined {
  const version = versionWith("AWSCURRENT", state);
  return version === undefined ? undefined : keys.get(version);
}

/** What a key is to the secret it belongs to. Times are milliseconds since 1970. */
export type KeyStatus =
  | { readonly state: "current" }
  /** Of a rotation that has not ended. */
  | { readonly state: "pending" }
  /** Was current: tokens made with it may live until `retireAt`. */
  | { readonly state: "superseded"; readonly retireAt: number }
  /**
   * Bears the secret's name and is in none of its versions: left by a rotation that was given up, superseded by two
   * within one grace, or made by somebody who has seen our names. It may have been current, so it is kept till `retireAt`.
   */
  | { readonly state: "stray"; readonly retireAt: number }
  /** Made for a version that holds another key: no token was ever made with it, and its private key is lost. */
  | { readonly state: "orphan" };

/**
 * Tells what a key is to a secret, or `undefined`: it does not belong to it.
 *
 * A key that is not current has not been current since the secret last changed, since the move of a label is a change.
 * So `graceMs` counts from there: later changes make it longer, never shorter, and nothing has to be written down. What the
 * key's description says is not believed: whoever holds a token can rewrite it.
 *
 * The secret has to be read after the key was listed: a key that was made since is then not among the keys.
 */
export function judgeKey(key: Key, secret: HeldSecret, graceMs: number): KeyStatus | undefined {
  const { state, keys } = secret;
  const current = versionWith("AWSCURRENT", state);
  const pending = versionWith("AWSPENDING", state);
  const holding = (versionId: string | undefined) =>
    versionId === undefined ? undefined : keys.get(versionId)?.keyId;
  const isNamedFor = (versionId: string) => key.key_name === keyName(state.arn, versionId);

  if (key.key_id === holding(current)) return { state: "current" };
  if (key.key_id === holding(pending)) return { state: "pending" };
  const retireAt = state.replicasInSync ? state.lastChangedAt + graceMs : Number.POSITIVE_INFINITY;
  if ([...keys.values()].some(({ keyId }) => keyId === key.key_id)) return { state: "superseded", retireAt };

  if (!belongsToSecret(key, state.arn)) return undefined;
  if (pending !== undefined && !keys.has(pending) && isNamedFor(pending)) return { state: "pending" };
  if ([...keys.keys()].some(isNamedFor)) return { state: "orphan" };
  return { state: "stray", retireAt };
}
