import { createHash } from "node:crypto";

import { MAX_KEY_NAME_LENGTH, type Key } from "../voximplant/methods.ts";

/**
 * How a key at Voximplant says which secret and version it was made for, so that it can be told even when its private
 * key was lost. In the name: machine-readable, within {@link MAX_KEY_NAME_LENGTH}. In the description: for people, and
 * when it was made.
 *
 * The fingerprint is of the secret's ARN, whose last six characters AWS chooses at random: so two installations that
 * share a Voximplant account never take each other's keys for their own.
 */
export interface KeyLabel {
  readonly name: string;
  readonly description: string;
}

const PREFIX = "vtv-";

export function labelKey(
  secret: { readonly arn: string; readonly name: string },
  versionId: string,
  now: number,
): KeyLabel {
  return {
    name: keyName(secret.arn, versionId),
    description:
      `Of voximplant-token-vendor: secret ${secret.name}, version ${versionId}, since ${new Date(now).toISOString()}. ` +
      "Replaced on schedule: use it nowhere else.",
  };
}

/** Name of the key of one version of one secret: two attempts for the same version make keys of the same name. */
export function keyName(secretArn: string, versionId: string): string {
  const version =
    PREFIX.length + 9 + versionId.length <= MAX_KEY_NAME_LENGTH ? versionId : digest(versionId, 32);
  return `${secretPrefix(secretArn)}${version}`;
}

/** Whether the key was made for (or taken over by) this secret, whatever the version. */
export function belongsToSecret({ key_name }: Key, secretArn: string): boolean {
  return key_name?.startsWith(secretPrefix(secretArn)) ?? false;
}

/** When the key got its label, by its own word: to show, not to believe. Milliseconds since 1970. */
export function labelledAt({ description }: Key, now: number): number | undefined {
  const since = /, since (\d{4}-\d\d-\d\dT[\d:.]+Z)\./.exec(description ?? "")?.[1];
  const time = since === undefined ? Number.NaN : Date.parse(since);
  return time <= now ? time : undefined;
}

function secretPrefix(secretArn: string): string {
  return `${PREFIX}${digest(secretArn, 8)}-`;
}

function digest(text: string, length: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, length);
}
