import { TokenError } from "./errors.ts";
import type { AwsCredentials } from "./sign.ts";

/** Gives AWS credentials; called for every request, so it should cache. Any provider of the AWS SDK will do. */
export type CredentialProvider = (options?: {
  /** Credentials that were given before have been refused as expired. */
  forceRefresh?: boolean;
  /** Never given. The AWS SDK's providers name it, and TypeScript would not take them otherwise. */
  callerClientConfig?: never;
}) => Promise<AwsCredentials>;

/** @param given default: as the AWS SDK finds them */
export function credentialProvider(
  given: AwsCredentials | CredentialProvider | undefined,
  profile: string | undefined,
): CredentialProvider {
  const find =
    typeof given === "function" ? given : given ? () => Promise.resolve(given) : defaultChain(profile);
  return async (options) => {
    try {
      return await find(options);
    } catch (error) {
      const reason = error instanceof Error ? error.message : "no AWS credentials, for an unknown reason";
      throw new TokenError("no_credentials", reason, { cause: error });
    }
  };
}

/**
 * Environment, SSO, profile, web identity, ECS, EKS, EC2. Loaded when first needed: whoever brings credentials does not pay
 * for it. Files are read again at each renewal, because other programs rotate the credentials in them.
 */
function defaultChain(profile: string | undefined): CredentialProvider {
  let chain: Promise<CredentialProvider> | undefined;
  return async (options) => {
    chain ??= import("@aws-sdk/credential-providers").then(({ fromNodeProviderChain }) =>
      fromNodeProviderChain({ ignoreCache: true, ...(profile === undefined ? {} : { profile }) }),
    );
    return (await chain)(options);
  };
}
