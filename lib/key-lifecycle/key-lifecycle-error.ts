/** A rotation cannot go on: the message says what is wrong and what to do. Names keys by id, never shows one. */
export class KeyLifecycleError extends Error {
  override readonly name = "KeyLifecycleError";
}

/** What to do about a secret that holds no key yet. */
export function noKeyYet(secret: string, serviceAccount: string): string {
  return (
    `Secret ${secret} holds no key yet. Put one in with ` +
    `\`voxtoken admin import FILE --service-account ${serviceAccount}\`, or have one made with ` +
    `\`voxtoken admin bootstrap --service-account ${serviceAccount} --roles …\`.`
  );
}
