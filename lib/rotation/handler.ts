import type { WriteLine } from "../audit/log.ts";
import { embeddedMetrics } from "../audit/metrics.ts";
import type { Policy } from "../grants/policy.ts";
import { RotationEvent, rotateKey } from "./rotate-key.ts";
import type { RotationPorts } from "./rotation.ts";

interface RotationHandlerOptions extends RotationPorts {
  readonly policy: Policy;
  readonly writeLine: WriteLine;
  /** A dimension of the metrics. */
  readonly deployment: string;
}

/**
 * The Lambda handler. Runs one step of a rotation and writes one audit record. It throws if the
 * step fails. If it did not throw, Secrets Manager would count the step as a success.
 */
export function createRotationHandler(options: RotationHandlerOptions): (event: unknown) => Promise<void> {
  const { policy, writeLine, deployment, now } = options;
  return async (event) => {
    const parsed = RotationEvent.safeParse(event);
    if (!parsed.success) throw new Error("This is not an event of a Secrets Manager rotation.");
    const { Step: step, SecretId: secret, ClientRequestToken: versionId } = parsed.data;
    const serviceAccount = policy.serviceAccounts.find(({ secret: name }) => isArnOf(secret, name))?.name;
    const record = (outcome: Record<string, unknown>) => {
      writeLine(
        JSON.stringify({
          type: "audit",
          time: new Date(now()).toISOString(),
          reason: step,
          service_account: serviceAccount,
          secret,
          secret_version_id: versionId,
          ...outcome,
        }),
      );
    };
    try {
      await rotateKey(options, policy, parsed.data);
      record({ outcome: "key_rotation" });
    } catch (error) {
      const detail = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      const metrics = embeddedMetrics("rotate-key", { RotationFailed: 1 }, [], deployment, now());
      record({ outcome: "failed", detail, ...metrics });
      throw error;
    }
  };
}

/**
 * Whether the ARN is `arn:…:secret:NAME-a1B2c3`. AWS adds the six random characters. Used only for
 * the audit record: rotateKey asks Secrets Manager for the name.
 */
function isArnOf(arn: string, name: string): boolean {
  return arn.slice(0, -"-a1B2c3".length).endsWith(`:secret:${name}`);
}
