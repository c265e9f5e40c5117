import {
  GetSecretValueCommand,
  SecretsManagerClient,
  type SecretsManagerClientConfig,
} from "@aws-sdk/client-secrets-manager";

import { withholdAnswer } from "./withhold-answer.ts";

export interface FetchedSecret {
  readonly value: string;
  readonly versionId: string;
  /** When this version was put into Secrets Manager, milliseconds since the epoch. */
  readonly createdAt?: number;
}

/**
 * Fetches the `AWSCURRENT` version of a secret.
 *
 * @throws {SecretUnavailableError} whatever the reason, and within {@link FETCH_DEADLINE_MS}.
 */
export type FetchSecret = (secret: string) => Promise<FetchedSecret>;

/** No request waits longer than this for Secrets Manager; the 3 s of the contract, less what the rest of it takes. */
export const FETCH_DEADLINE_MS = 2_800;

/**
 * These answers do not mean that Secrets Manager fails: they mean that the key has been taken away, on purpose as far as
 * anybody here can tell. A key held from before must not outlive that.
 */
const WITHDRAWALS = new Set([
  "AccessDeniedException",
  "DecryptionFailure",
  "InvalidRequestException", // scheduled for deletion
  "ResourceNotFoundException", // no such secret, or none with the stage AWSCURRENT: nothing imported yet
]);

export class SecretUnavailableError extends Error {
  override readonly name = "SecretUnavailableError";
  /** The secret is deleted, empty, or forbidden, rather than out of reach. */
  readonly withdrawn: boolean;

  constructor(secret: string, cause: unknown) {
    const reason = describe(cause);
    super(`secret ${secret}: ${reason}`, { cause });
    this.withdrawn = cause instanceof Error && WITHDRAWALS.has(cause.name);
  }
}

/** `ThrottlingException: Rate exceeded`; a plain Error's name says nothing. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.name === "Error" ? error.message : `${error.name}: ${error.message}`;
}

/** A {@link FetchSecret} on the AWS SDK: two tries, each bounded, and a deadline over both. */
export function fetchFromSecretsManager(configuration: SecretsManagerClientConfig = {}): FetchSecret {
  const client = new SecretsManagerClient({
    maxAttempts: 2,
    requestHandler: { connectionTimeout: 700, requestTimeout: 1_300, throwOnRequestTimeout: true },
    ...configuration,
  });
  return async (secret) => {
    try {
      const command = new GetSecretValueCommand({ SecretId: secret, VersionStage: "AWSCURRENT" });
      const abortSignal = AbortSignal.timeout(FETCH_DEADLINE_MS);
      const answer = await Promise.race([client.send(command, { abortSignal }), aborted(abortSignal)]);
      const value = answer.SecretString ?? Buffer.from(answer.SecretBinary ?? []).toString();
      const createdAt = answer.CreatedDate?.getTime();
      return {
        value,
        versionId: answer.VersionId ?? "unknown",
        ...(createdAt !== undefined && { createdAt }),
      };
    } catch (error) {
      throw new SecretUnavailableError(secret, withholdAnswer(error));
    }
  };
}

/** The SDK's pause between two tries does not heed an abort, and a server's Retry-After can make it long. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => {
      reject(signal.reason as Error);
    });
  });
}
