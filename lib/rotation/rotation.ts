import type { Log } from "../audit/log.ts";
import type { Policy, ServiceAccount } from "../grants/policy.ts";
import type { OpenKey } from "../key-lifecycle/account-key.ts";
import { type SecretState, type SecretStore, versionWith } from "../key-lifecycle/secret-store.ts";

export interface RotationPorts {
  readonly store: SecretStore;
  readonly openKey: OpenKey;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** Milliseconds for which a superseded key is kept: see grace.ts. */
  readonly graceMs: number;
}

/** One step's view: the secret as it was when the step began, and the version it is about. */
export interface Rotation extends RotationPorts {
  readonly policy: Policy;
  readonly serviceAccount: ServiceAccount;
  readonly secret: SecretState;
  /** The event's version: no other is ever written to or promoted. */
  readonly versionId: string;
}

/** The credentials file in the version that is current; `undefined` before the first import. */
export async function readCurrent({ store, secret }: Rotation): Promise<string | undefined> {
  const current = versionWith("AWSCURRENT", secret);
  return current === undefined ? undefined : store.readVersion(secret.arn, current);
}

/** The credentials file in the event's version; `undefined` before createSecret. */
export async function readPending({ store, secret, versionId }: Rotation): Promise<string | undefined> {
  return store.readVersion(secret.arn, versionId);
}
