import { createPublicKey, type KeyObject, randomUUID } from "node:crypto";
import { roles } from "./roles.ts";

export interface Account {
  readonly accountId: number;
  readonly email: string;
  /** Deprecated. It may do everything in the account. */
  readonly apiKey?: string;
  readonly childAccountIds: readonly number[];
}

/** A key. The platform keeps only the public half. */
export interface Key {
  readonly keyId: string;
  readonly accountId: number;
  readonly publicKey: KeyObject;
  name: string;
  description: string;
  roleIds: Set<number>;
  /**
   * Milliseconds since 1970, if CreateKey created it. A key that a test adds is known everywhere at
   * once.
   */
  readonly createdAt?: number;
}

/**
 * How long parts of the platform do not know a new key. The real figures are not known. Default: 0
 * for each.
 */
export interface CreationLag {
  /** During this time, a token of the new key is refused with 433. */
  readonly acceptanceMs?: number;
  /** During this time, methods that name the key by its id answer 433. */
  readonly lookupMs?: number;
  /** During this time, GetKeys does not list it, even with its key_id. */
  readonly listMs?: number;
}

/** How long a deleted key still works. Methods that name it answer 433 at once. */
export interface DeletionLag {
  /** During this time, a token of the deleted key is accepted, with the key's roles. */
  readonly acceptanceMs?: number;
  /** During this time, GetKeys still lists it. */
  readonly listMs?: number;
}

export interface Rule {
  readonly ruleId: number;
  readonly accountId: number;
  readonly applicationId: number;
  name: string;
  pattern: string;
  /** A key that the rule's scenarios use. Deleting the key does not change this id. */
  bindKeyId?: string;
}

export interface Platform {
  readonly accounts: Map<number, Account>;
  readonly keys: Map<string, Key>;
  /** With the time of DeleteKey, in milliseconds since 1970. */
  readonly deleted: Map<string, { readonly key: Key; readonly at: number }>;
  readonly lag: CreationLag;
  readonly deletionLag: DeletionLag;
  readonly now: () => Date;
  readonly rules: Map<number, Rule>;
  readonly keyLimit: number;
  readonly createKeyShape: "object" | "array";
  /** PKCS#8, in PEM. */
  readonly makePrivateKey: () => Promise<string>;
}

export interface NewKey {
  readonly accountId: number;
  /** Default: a random UUID. */
  readonly keyId?: string;
  /** PEM, of the private key or of the public one; only the public half is kept. */
  readonly pem: string;
  readonly name?: string;
  readonly description?: string;
  /** Names of roles. */
  readonly roles?: readonly string[];
  readonly createdAt?: number;
}

/** The key that a token names, if the platform accepts tokens of it now. */
export function findSigner(platform: Platform, keyId: string): Key | undefined {
  const key = platform.keys.get(keyId);
  if (key !== undefined) return isKnown(platform, key, platform.lag.acceptanceMs) ? key : undefined;
  return justDeleted(platform, platform.deletionLag.acceptanceMs).find((one) => one.keyId === keyId);
}

/** The key that a parameter names. */
export function findById(platform: Platform, keyId: string): Key | undefined {
  const key = platform.keys.get(keyId);
  return key !== undefined && isKnown(platform, key, platform.lag.lookupMs) ? key : undefined;
}

/** The keys that GetKeys lists now, for all accounts. */
export function listKeys(platform: Platform): Key[] {
  const listed = [...platform.keys.values()].filter((key) => isKnown(platform, key, platform.lag.listMs));
  return [...listed, ...justDeleted(platform, platform.deletionLag.listMs)];
}

export function deleteKey(platform: Platform, key: Key): void {
  platform.keys.delete(key.keyId);
  platform.deleted.set(key.keyId, { key, at: platform.now().getTime() });
}

function isKnown({ now }: Platform, { createdAt = Number.NEGATIVE_INFINITY }: Key, lagMs = 0): boolean {
  return now().getTime() - createdAt >= lagMs;
}

function justDeleted({ deleted, now }: Platform, lagMs = 0): Key[] {
  return [...deleted.values()].filter(({ at }) => now().getTime() - at < lagMs).map(({ key }) => key);
}

export function addKey(platform: Platform, key: NewKey): Key {
  const added: Key = {
    keyId: key.keyId ?? randomUUID(),
    accountId: key.accountId,
    publicKey: createPublicKey(key.pem),
    name: key.name ?? "",
    description: key.description ?? "",
    roleIds: new Set(
      (key.roles ?? []).map((name) => {
        const role = roles.find((candidate) => candidate.name === name);
        if (role === undefined)
          throw new Error(`The stand-in has no role ${name}; see local/voximplant/roles.ts.`);
        return role.id;
      }),
    ),
    ...(key.createdAt !== undefined && { createdAt: key.createdAt }),
  };
  platform.keys.set(added.keyId, added);
  return added;
}
