import type { ServiceAccount } from "../grants/policy.ts";

/** A step of a key's life cannot go on: the message says what failed, why, and what to do. It shows no key. */
export class KeyLifecycleError extends Error {
  override readonly name = "KeyLifecycleError";
}

/** What to do about a secret that holds no key yet. */
export function noKeyYet(secret: string, serviceAccount: string): string {
  return `Secret ${secret} holds no key yet. ${putAKeyIn(serviceAccount)}`;
}

/** The two ways of putting a key into a secret. */
export function putAKeyIn(serviceAccount: string): string {
  return (
    `Put one in with \`voxtoken admin import FILE --service-account ${serviceAccount}\`, or have one made with ` +
    `\`voxtoken admin bootstrap --service-account ${serviceAccount} --roles ROLES\`.`
  );
}

/**
 * A key of another Voximplant account is never used: an operator could have put in a key of an account of their own, and
 * every caller would send its phone numbers there.
 *
 * @throws KeyLifecycleError grants.yml names another account for this service account.
 */
export function checkAccount(
  { name, accountId }: ServiceAccount,
  key: { readonly keyId: string; readonly accountId: number },
): void {
  if (accountId === undefined || accountId === key.accountId) return;
  throw new KeyLifecycleError(
    `Key ${key.keyId} belongs to Voximplant account ${key.accountId}, and grants.yml says account ${accountId} ` +
      `for service account ${name}. The key is not used. Import a key of account ${accountId}, or correct accountId.`,
  );
}
