import {
  GetSecretValueCommand,
  SecretsManagerClient,
  type SecretsManagerClientConfig,
} from "@aws-sdk/client-secrets-manager";
import type { EpochMs } from "../epoch.ts";

export interface FetchedSecret {
  readonly value: string;
  readonly versionId: string;
  /** When this version was put into Secrets Manager. */
  readonly createdAt?: EpochMs;
}

/**
 * Fetches the `AWSCURRENT` version of a secret.
 *
 * @throws {SecretUnavailableError} the fetch failed, or took {@link FETCH_DEADLINE_MS}.
 */
export type FetchSecret = (secret: string) => Promise<FetchedSecret>;

/** No fetch takes longer. See docs/runbook.md, Latency. */
const FETCH_DEADLINE_MS = 2_800;

/**
 * These errors mean that Secrets Manager works, but that the secret is deleted or access to it is
 * revoked. The function then drops the key at once, and does not use it as a stale key.
 */
const WITHDRAWALS = new Set([
  "AccessDeniedException",
  "DecryptionFailure",
  "InvalidRequestException", // scheduled for deletion
  "ResourceNotFoundException", // no such secret, or no version AWSCURRENT: nothing imported yet
]);

export class SecretUnavailableError extends Error {
  override readonly name = "SecretUnavailableError";
  /** True: the secret is deleted, empty or forbidden. False: there was no usable answer. */
  readonly withdrawn: boolean;

  constructor(secret: string, cause: unknown) {
    const reason = describe(cause);
    super(`secret ${secret}: ${reason}`, { cause });
    this.withdrawn = cause instanceof Error && WITHDRAWALS.has(cause.name);
  }
}

/** Secrets Manager's own version ids are UUIDs; the caller of PutSecretValue may choose others. */
const VERSION_ID = /^[\w-]{1,64}$/;

/**
 * The error as text, such as `ThrottlingException: Rate exceeded`. Omits the name of a plain Error,
 * which adds nothing. Withholds what could be a part of a key, because the text goes into the log.
 */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return "an unknown reason";
  const text = error.name === "Error" ? error.message : `${error.name}: ${error.message}`;
  return text
    .replace(/-----BEGIN.*/s, "[withheld]")
    .replace(/[\w+/=]{32,}/g, "[withheld]")
    .slice(0, 500);
}

/**
 * Fetches with the AWS SDK: two attempts, each with a time limit, and one deadline for both. Each
 * attempt opens a new connection. Kept connections die while Lambda freezes the process, and with
 * two dead ones both attempts would fail: https://github.com/aws/aws-sdk-js-v3/issues/3905.
 */
export function fetchFromSecretsManager(configuration: SecretsManagerClientConfig = {}): FetchSecret {
  const agent = { keepAlive: false };
  const client = new SecretsManagerClient({
    maxAttempts: 2,
    requestHandler: {
      connectionTimeout: 700,
      requestTimeout: 1_300,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
    ...configuration,
  });
  return async (secret) => {
    try {
      const command = new GetSecretValueCommand({ SecretId: secret, VersionStage: "AWSCURRENT" });
      const abortSignal = AbortSignal.timeout(FETCH_DEADLINE_MS);
      const answer = await Promise.race([client.send(command, { abortSignal }), aborted(abortSignal)]);
      // The message omits answer.Name: this answer cannot be trusted, so its text is not logged.
      if (answer.Name !== undefined && answer.Name !== secret)
        throw new Error("the answer is for another secret");
      const value = answer.SecretString ?? Buffer.from(answer.SecretBinary ?? []).toString();
      const createdAt = answer.CreatedDate?.getTime();
      return {
        value,
        versionId: VERSION_ID.test(answer.VersionId ?? "") ? (answer.VersionId ?? "") : "unknown",
        ...(createdAt !== undefined && { createdAt }),
      };
    } catch (error) {
      throw new SecretUnavailableError(secret, withholdAnswer(error));
    }
  };
}

/**
 * Makes an error of the AWS SDK safe to log. If an answer is not JSON, V8's message quotes the text
 * around the fault and the SDK attaches the whole answer to the error: for a secret, that text is
 * the key. Every other error stays as it is.
 */
export function withholdAnswer(error: unknown): unknown {
  return error instanceof Error && error.name === "SyntaxError" ? new Error("the answer is not JSON") : error;
}

/**
 * Rejects when the signal is aborted. Without this, the fetch could miss its deadline: the SDK's
 * pause between attempts ignores an abort, and can be long (Retry-After).
 */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => {
      reject(signal.reason as Error);
    });
  });
}
