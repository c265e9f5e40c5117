import { randomUUID } from "node:crypto";
import type * as z from "zod";
import { countingFaults, type FaultInjector } from "../fault.ts";
import { type Answer, headerOf, listen, type Listening, type RawRequest } from "../listen.ts";
import { SecretsManagerError } from "./error.ts";
import * as lifecycle from "./lifecycle.ts";
import * as rotation from "./rotation.ts";
import type { Secret } from "./secret.ts";
import * as values from "./values.ts";
import type { RotationEvent, Vault } from "./vault.ts";
import { parseInput } from "./wire.ts";

export interface SecretsManagerOptions {
  /** 0, the default: any free one. */
  readonly port?: number;
  /** Default `us-east-1`; a part of the ARNs. */
  readonly region?: string;
  readonly accountId?: string;
  readonly now?: () => Date;
  /** Secrets there from the start: name to SecretString. */
  readonly secrets?: Readonly<Record<string, string>>;
  /**
   * What becomes of `AWSPENDING` on the version that AWSCURRENT is moved to. AWS documents both: that the label may be on
   * the current version, and that it may be on none. Default `kept`.
   */
  readonly pendingLabel?: "kept" | "removed";
  /** Turns rotation on for these secrets, so that RotateSecret needs no `RotationLambdaARN`. */
  readonly rotationFunctionArn?: string;
  /** The rotation function, called as Secrets Manager calls it. */
  readonly rotate?: (event: RotationEvent) => Promise<void>;
  readonly fault?: FaultInjector;
}

export interface SecretsManager extends Listening {
  /** The state itself, by name: to look at, and to plant what a test needs. */
  readonly secrets: ReadonlyMap<string, Secret>;
  readonly calls: readonly SecretsManagerCall[];
  /** Resolves when no rotation runs any more. */
  rotationsSettled(): Promise<void>;
}

export interface SecretsManagerCall {
  readonly operation: string;
  /** The error's type, where there was one. */
  error?: string;
}

/**
 * A stand-in for AWS Secrets Manager: its JSON 1.1 protocol, stages, tokens and errors, in memory. The unmodified AWS
 * SDK and `aws` CLI work against it. It asks for no credentials and believes every caller: for one machine alone.
 */
export async function startSecretsManager(options: SecretsManagerOptions = {}): Promise<SecretsManager> {
  const vault: Vault = {
    region: options.region ?? "us-east-1",
    accountId: options.accountId ?? "111122223333",
    now: options.now ?? (() => new Date()),
    secrets: new Map(),
    removesPending: options.pendingLabel === "removed",
    rotate: options.rotate,
    rotations: new Set(),
  };
  for (const [Name, SecretString] of Object.entries(options.secrets ?? {})) {
    values.createSecret(vault, { Name, SecretString });
  }
  if (options.rotationFunctionArn !== undefined) {
    for (const secret of vault.secrets.values()) {
      secret.rotation = rotation.enabledRotation(options.rotationFunctionArn);
    }
  }
  const calls: SecretsManagerCall[] = [];
  const faultOf = countingFaults(options.fault);
  const server = await listen({
    port: options.port ?? 0,
    what: "the Secrets Manager stand-in (--secrets-port)",
    maxBodyBytes: 1024 * 1024,
    serve: (request) => {
      const call: SecretsManagerCall = { operation: operationOf(request) };
      calls.push(call);
      return { fault: faultOf(call.operation), answer: () => carryOut(vault, call, request) };
    },
  });
  return {
    ...server,
    secrets: vault.secrets,
    calls,
    rotationsSettled: async () => {
      while (vault.rotations.size > 0) await Promise.all(vault.rotations);
    },
  };
}

type Operation = (vault: Vault, body: Buffer) => object;

function operation<T>(schema: z.ZodType<T>, run: (vault: Vault, input: T) => object): Operation {
  return (vault, body) => run(vault, parseInput(schema, body));
}

const operations: Readonly<Record<string, Operation>> = {
  CancelRotateSecret: operation(rotation.cancelRotateSecretInput, rotation.cancelRotateSecret),
  CreateSecret: operation(values.createSecretInput, values.createSecret),
  DeleteSecret: operation(lifecycle.deleteSecretInput, lifecycle.deleteSecret),
  DescribeSecret: operation(lifecycle.describeSecretInput, lifecycle.describeSecret),
  GetSecretValue: operation(values.getSecretValueInput, values.getSecretValue),
  ListSecrets: operation(lifecycle.listSecretsInput, lifecycle.listSecrets),
  ListSecretVersionIds: operation(lifecycle.listSecretVersionIdsInput, lifecycle.listSecretVersionIds),
  PutSecretValue: operation(values.putSecretValueInput, values.putSecretValue),
  RestoreSecret: operation(lifecycle.restoreSecretInput, lifecycle.restoreSecret),
  RotateSecret: operation(rotation.rotateSecretInput, rotation.rotateSecret),
  TagResource: operation(lifecycle.tagResourceInput, lifecycle.tagResource),
  UpdateSecret: operation(values.updateSecretInput, values.updateSecret),
  UpdateSecretVersionStage: operation(values.updateSecretVersionStageInput, values.updateSecretVersionStage),
};

/** `X-Amz-Target: secretsmanager.GetSecretValue` */
function operationOf(request: RawRequest): string {
  return (headerOf(request, "x-amz-target") ?? "").replace(/^secretsmanager\./, "");
}

function carryOut(vault: Vault, call: SecretsManagerCall, { body }: RawRequest): Answer {
  try {
    const run = Object.hasOwn(operations, call.operation) ? operations[call.operation] : undefined;
    if (run === undefined) throw new SecretsManagerError("UnknownOperationException", "");
    return json(200, run(vault, body));
  } catch (error) {
    if (!(error instanceof SecretsManagerError)) throw error;
    call.error = error.type;
    return json(400, { __type: error.type, Message: error.message });
  }
}

function json(status: number, body: object): Answer {
  return {
    status,
    headers: { "Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": randomUUID() },
    body: JSON.stringify(body),
  };
}
