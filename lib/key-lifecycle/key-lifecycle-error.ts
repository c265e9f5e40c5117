import { type ServiceAccount, wrongAccount } from "../grants/policy.ts";

/** A step of a key's life cannot go on: the message says what failed, why, and what to do. It shows no key. */
export class KeyLifecycleError extends Error {
  override readonly name = "KeyLifecycleError";
}

/** What to do about a secret that holds no key yet. */
export function noKeyYet(secret: string, serviceAccount: string): string {
  return `Secret ${secret} holds no key yet. ${putAKeyIn(serviceAccount)}`;
}

/** The two ways to put a key into a secret that has none, or one that no longer works. */
export function putAKeyIn(serviceAccount: string): string {
  return (
    `Import one with \`voxtoken admin import FILE --service-account ${serviceAccount}\`, or have one made with ` +
    `\`voxtoken admin bootstrap --service-account ${serviceAccount} --account-id ID --roles ROLES --replace\`.`
  );
}

/**
 * Refuses a key of another Voximplant account than grants.yml names: an operator could have put in a key of their own.
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
