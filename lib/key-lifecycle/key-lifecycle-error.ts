import { type ServiceAccount, wrongAccount } from "../grants/policy.ts";

/** The message says what failed, why, and what to do. It never has a private key. */
export class KeyLifecycleError extends Error {
  override readonly name = "KeyLifecycleError";
}

/** The message for a secret that has no current version. */
export function noKeyYet(secret: string, serviceAccount: string): string {
  return `Secret ${secret} holds no key yet. ${putAKeyIn(serviceAccount)}`;
}

/** The two ways to put a key into a secret that has none, or whose key does not work. */
export function putAKeyIn(serviceAccount: string): string {
  return (
    `Import one with \`voxtoken admin import FILE --service-account ${serviceAccount}\`, or create one with ` +
    `\`voxtoken admin bootstrap --service-account ${serviceAccount} --account-id ID --roles ROLES --replace\`.`
  );
}

/**
 * Refuses a key of another Voximplant account than grants.yml names. Without this check, someone
 * who can write the secret could store a key of their own account.
 *
 * @throws KeyLifecycleError
 */
export function checkAccount(
  serviceAccount: ServiceAccount,
  key: { readonly keyId: string; readonly accountId: number },
): void {
  const problem = wrongAccount(serviceAccount, key);
  if (problem !== undefined) throw new KeyLifecycleError(problem);
}
