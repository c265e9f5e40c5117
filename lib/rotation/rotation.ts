import type { Policy, ServiceAccount } from "../grants/policy.ts";
import type { SecretState, SecretVersion } from "../key-lifecycle/secret-store.ts";
import type { SnapshotPorts } from "../key-lifecycle/take-snapshot.ts";

export interface RotationPorts extends SnapshotPorts {
  readonly sleep: (milliseconds: number) => Promise<void>;
}

/** The context of one step: the secret as it was when the step began, and the event's version. */
export interface Rotation extends RotationPorts {
  readonly policy: Policy;
  readonly serviceAccount: ServiceAccount;
  readonly secret: SecretState;
  /** The event's version. No other version is written or promoted. */
  readonly versionId: string;
  /** The current version. Undefined before the first import. */
  readonly current: SecretVersion | undefined;
  /** The event's version. Undefined before createSecret stored a value. */
  readonly pending: SecretVersion | undefined;
}
