import { generateKeyPairSync, randomUUID } from "node:crypto";

import { rsaPem } from "./rsa-keys.ts";

export interface KeyFile {
  account_email: string;
  account_id: number;
  key_id: string;
  private_key: string;
}

/** A credentials file as Voximplant gives it, around a key of the run. */
export function makeKeyFile(overrides: Partial<KeyFile> = {}): KeyFile {
  return {
    account_email: "telephony@example.com",
    account_id: 1234567,
    key_id: randomUUID(),
    private_key: overrides.private_key ?? rsaPem(),
    ...overrides,
  };
}

/** A private key of a size that no key of the run has, PEM (PKCS #8). */
export function makeRsaPem(modulusLength: number): string {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

export function makeEcPem(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}
