import { createHash } from "node:crypto";

import type { EpochMs } from "../epoch.ts";
import { MAX_KEY_NAME_LENGTH, type Key } from "../voximplant/methods.ts";

/**
 * Says for which version of which secret a key was made. Without it, a key whose private key was
 * lost could not be recognised. The name is for programs, within {@link MAX_KEY_NAME_LENGTH}. The
 * description is for people, and has the time.
 *
 * The name has a digest of the secret's ARN, which AWS ends with six random characters. Without
 * them, two installations that share a Voximplant account would delete each other's keys.
 */
interface KeyLabel {
  readonly name: string;
  readonly description: string;
}

const PREFIX = "vtv-";

export function labelKey(
  secret: { readonly arn: string; readonly name: string },
  versionId: string,
  now: EpochMs,
): KeyLabel {
  return {
    name: keyName(secret.arn, versionId),
    description:
      `Of voximplant-token-vendor: secret ${secret.name}, version ${versionId}, since ${new Date(now).toISOString()}. ` +
      "This key is replaced on a schedule. Do not use it elsewhere.",
  };
}

/** The name of a key of one version. Repeated attempts for a version make keys of the same name. */
export function keyName(secretArn: string, versionId: string): string {
  const version =
    PREFIX.length + 9 + versionId.length <= MAX_KEY_NAME_LENGTH ? versionId : digest(versionId, 32);
  return `${secretPrefix(secretArn)}${version}`;
}

/** Whether the key has a name for any version of this secret. */
export function belongsToSecret({ key_name }: Key, secretArn: string): boolean {
  return key_name?.startsWith(secretPrefix(secretArn)) ?? false;
}

/** The time in the key's description. Only for display: anyone with a token can change it. */
export function labelledAt({ description }: Key, now: EpochMs): EpochMs | undefined {
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
