import { createPublicKey, type KeyObject, randomUUID } from "node:crypto";
import { roles } from "./roles.ts";

export interface Account {
  readonly accountId: number;
  readonly email: string;
  /** Deprecated, and all-powerful. */
  readonly apiKey?: string;
  readonly childAccountIds: readonly number[];
}

/** Of a key the platform keeps the public half alone. */
export interface Key {
  readonly keyId: string;
  readonly accountId: number;
  readonly publicKey: KeyObject;
  name: string;
  description: string;
  roleIds: Set<number>;
}

export interface Rule {
  readonly ruleId: number;
  readonly accountId: number;
  readonly applicationId: number;
  name: string;
  pattern: string;
  /** A key that the rule's scenarios use. It dangles when that key is deleted: rebind first. */
  bindKeyId?: string;
}

export interface Platform {
  readonly accounts: Map<number, Account>;
  readonly keys: Map<string, Key>;
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
  };
  platform.keys.set(added.keyId, added);
  return added;
}
