import { randomUUID } from "node:crypto";
import type { HttpHandler } from "@smithy/core/protocols";
import type * as z from "zod";
import { countingFaults, type FaultInjector } from "../fault.ts";
import {
  type Answer,
  type Call,
  exchange,
  headerOf,
  type RawRequest,
  type Serve,
  UnreadableRequest,
} from "../exchange.ts";
import { SecretsManagerError } from "./error.ts";
import { type History, keepHistory } from "./history.ts";
import * as lifecycle from "./lifecycle.ts";
import * as rotation from "./rotation.ts";
import { requestHandlerFor } from "./request-handler.ts";
import type { PendingLabel, Secret } from "./secret.ts";
import * as values from "./values.ts";
import type { RotationEvent, SecretsState } from "./state.ts";
import { parseInput } from "./wire.ts";

export interface SecretsManagerOptions {
  /** Default `us-east-1`; a part of the ARNs. */
  readonly region?: string;
  readonly accountId?: string;
  readonly now?: () => Date;
  /** The initial secrets: SecretString by name. */
  readonly secrets?: Readonly<Record<string, string>>;
  /**
   * What happens to `AWSPENDING` on the version that UpdateSecretVersionStage makes current.
   * Default `kept`: LocalStack recorded `["AWSCURRENT", "AWSPENDING"]` on AWS
   * (test_update_secret_version_stages_current_pending). AWS documents both: after a rotation the
   * label may be on the current version or on none.
   * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
   */
  readonly pendingOnPromotion?: PendingLabel;
  /**
   * What happens to `AWSPENDING` on the new current version after a rotation's last step. Default
   * `kept`, as users saw it. A maintainer at AWS says `removed`: "Our backend cleans up the pending
   * label on rotation completion, outside the rotation lambda."
   * https://github.com/aws-samples/aws-secrets-manager-rotation-lambdas/issues/168
   * https://github.com/aws-samples/aws-secrets-manager-rotation-lambdas/pull/145
   */
  readonly pendingAfterRotation?: PendingLabel;
  /**
   * What happens to `AWSPENDING` on the version that was current. Default: `removed` by
   * PutSecretValue and UpdateSecret, because LocalStack recorded only `["AWSPREVIOUS"]`
   * (test_update_secret_version_stages_current_pending); `kept` by UpdateSecretVersionStage. For
   * this operation, one recording shows that other labels stay
   * (test_update_secret_version_stages_current_pending_cycle_custom_stages_1), and no recording has
   * `AWSPENDING` on that version.
   */
  readonly pendingOnDemotion?: PendingLabel;
  /**
   * What happens to `AWSPENDING` on a third version, neither the old current one nor the new one,
   * when PutSecretValue or UpdateSecret makes a new version current. Default `kept`. Terraform's
   * acceptance test suggests `removed`, at least where the pending version is empty
   * (testSecretValueIsCurrent in internal/service/secretsmanager/secret_rotation_test.go).
   */
  readonly otherPendingOnPut?: PendingLabel;
  /**
   * How far reads are behind writes, in milliseconds by `now`. DescribeSecret, GetSecretValue,
   * ListSecretVersionIds and ListSecrets answer with the state at that earlier time; all other
   * operations use the present state. Default 0. The only figure that AWS gives is five minutes,
   * for ListSecrets.
   * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html
   */
  readonly readLagMs?: number;
  /**
   * Regions to which each of `secrets` is replicated, in sync. To change a status:
   * `secrets.get(name).replicas`.
   */
  readonly replicaRegions?: readonly string[];
  /** Turns rotation on for these secrets, so that RotateSecret needs no `RotationLambdaARN`. */
  readonly rotationFunctionArn?: string;
  /** The rotation function, called as Secrets Manager calls it. */
  readonly rotate?: (event: RotationEvent) => Promise<void>;
  readonly fault?: FaultInjector;
}

/** The stand-in without HTTP. */
export interface InProcessSecretsManager {
  /** The state itself, by name. Tests may read and change it. */
  readonly secrets: ReadonlyMap<string, Secret>;
  readonly calls: readonly SecretsManagerCall[];
  /**
   * For an SDK client in this process: `new SecretsManagerClient({ requestHandler, region,
   * credentials })`.
   */
  readonly requestHandler: HttpHandler;
  /** For a server: see `listen`. */
  readonly serve: Serve;
  /**
   * Executes one operation without an SDK client, as an operator would call it. Injected faults
   * apply. A ClientRequestToken is added, as the SDKs and the CLI do.
   *
   * @throws SecretsManagerError, or ConnectionDropped.
   */
  call(operation: string, input: object): Promise<Record<string, unknown>>;
  /** Resolves when no rotation runs any more. */
  rotationsSettled(): Promise<void>;
}

interface SecretsManagerCall {
  readonly operation: string;
  /** The error's type, if there was one. */
  error?: string;
}

/**
 * A stand-in for AWS Secrets Manager: its JSON 1.1 protocol, stages, tokens and errors, in memory.
 * It checks no credentials. {@link startSecretsManager} serves it over HTTP.
 */
export function createSecretsManager(options: SecretsManagerOptions = {}): InProcessSecretsManager {
  const state: SecretsState = {
    region: options.region ?? "us-east-1",
    accountId: options.accountId ?? "111122223333",
    now: options.now ?? (() => new Date()),
    secrets: new Map(),
    labels: {
      promotedByUpdate: options.pendingOnPromotion ?? "kept",
      demotedByUpdate: options.pendingOnDemotion ?? "kept",
      demotedByPut: options.pendingOnDemotion ?? "removed",
      afterRotation: options.pendingAfterRotation ?? "kept",
      otherOnPut: options.otherPendingOnPut ?? "kept",
    },
    rotate: options.rotate,
    rotations: new Set(),
  };
  for (const [Name, SecretString] of Object.entries(options.secrets ?? {})) {
    values.createSecret(state, { Name, SecretString, ClientRequestToken: randomUUID() });
  }
  for (const secret of state.secrets.values()) {
    if (options.rotationFunctionArn !== undefined) {
      secret.rotation = rotation.enabledRotation(state, options.rotationFunctionArn);
    }
    if (options.replicaRegions !== undefined) {
      secret.replicas = options.replicaRegions.map((Region) => ({ Region, Status: "InSync" }));
    }
  }
  const history = options.readLagMs ? keepHistory(state, options.readLagMs) : undefined;
  const calls: SecretsManagerCall[] = [];
  const faultOf = countingFaults(options.fault);
  const serve = (request: RawRequest): Call => {
    if (request.bodyTooLarge) throw new UnreadableRequest("The body is larger than 1 MiB.");
    const call: SecretsManagerCall = { operation: operationOf(request) };
    calls.push(call);
    return { fault: faultOf(call.operation), answer: () => carryOut(state, history, call, request) };
  };
  return {
    secrets: state.secrets,
    calls,
    requestHandler: requestHandlerFor(serve),
    serve,
    call: (operation, input) => callDirectly(serve, operation, input),
    rotationsSettled: async () => {
      while (state.rotations.size > 0) await Promise.all(state.rotations);
    },
  };
}

async function callDirectly(serve: Serve, name: string, input: object): Promise<Record<string, unknown>> {
  const { status, body } = await exchange(serve, {
    method: "POST",
    target: "/",
    headers: [["X-Amz-Target", `secretsmanager.${name}`]],
    body: Buffer.from(JSON.stringify({ ClientRequestToken: randomUUID(), ...input })),
    bodyTooLarge: false,
    sourceIp: "127.0.0.1",
  });
  const answer = JSON.parse(body.toString()) as Record<string, unknown>;
  if (status === 200) return answer;
  const { __type: type = `Status${status}`, Message = "" } = answer as Record<string, string | undefined>;
  throw new SecretsManagerError(type, Message);
}

type Operation = (state: SecretsState, body: Buffer) => object;

function operation<T>(schema: z.ZodType<T>, run: (state: SecretsState, input: T) => object): Operation {
  return (state, body) => run(state, parseInput(schema, body));
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
  return /^secretsmanager\.(.+)$/.exec(headerOf(request, "x-amz-target") ?? "")?.[1] ?? "";
}

/** The reads that lag. */
const reads = new Set(["DescribeSecret", "GetSecretValue", "ListSecrets", "ListSecretVersionIds"]);

function carryOut(
  state: SecretsState,
  history: History | undefined,
  call: SecretsManagerCall,
  { body }: RawRequest,
): Answer {
  history?.note();
  try {
    const run = Object.hasOwn(operations, call.operation) ? operations[call.operation] : undefined;
    if (run === undefined) throw new SecretsManagerError("UnknownOperationException", "");
    return json(200, run(reads.has(call.operation) ? (history?.lagging() ?? state) : state, body));
  } catch (error) {
    if (!(error instanceof SecretsManagerError)) throw error;
    call.error = error.type;
    return json(400, { __type: error.type, ...(error.message !== "" && { Message: error.message }) });
  } finally {
    history?.note();
  }
}

function json(status: number, body: object): Answer {
  return {
    status,
    headers: { "Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": randomUUID() },
    body: JSON.stringify(body),
  };
}
