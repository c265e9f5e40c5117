import type { Log } from "../audit/log.ts";
import type { Policy, ServiceAccount } from "../grants/policy.ts";
import type { OpenKey } from "../key-lifecycle/account-key.ts";
import { KeyLifecycleError, noKeyYet } from "../key-lifecycle/key-lifecycle-error.ts";
import type { SecretState, SecretStore, SecretVersion } from "../key-lifecycle/secret-store.ts";
import type { ReadSecret } from "../key-lifecycle/snapshot.ts";

export interface RotationPorts {
  readonly store: SecretStore;
  readonly readSecret: ReadSecret;
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
  /** The version that is current; `undefined` before the first import. */
  readonly current: SecretVersion | undefined;
  /** The event's version; `undefined` before createSecret put a value. */
  readonly pending: SecretVersion | undefined;
}

/** The two versions of a rotation that has both. @throws KeyLifecycleError one of them has no key. */
export function bothVersions({ current, pending, secret, versionId, serviceAccount }: Rotation): {
  current: SecretVersion;
  pending: SecretVersion;
} {
  if (current === undefined) throw new KeyLifecycleError(noKeyYet(secret.name, serviceAccount.name));
  if (pending === undefined) {
    throw new KeyLifecycleError(
      `Version ${versionId} of secret ${secret.name} has no key. createSecret comes first.`,
    );
  }
  return { current, pending };
}
