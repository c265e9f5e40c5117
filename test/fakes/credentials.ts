import { generateKeyPairSync, randomUUID } from "node:crypto";

export interface KeyFile {
  account_email: string;
  account_id: number;
  key_id: string;
  private_key: string;
}

/** A credentials file as Voximplant gives it, around a key made just now. */
export function makeKeyFile(overrides: Partial<KeyFile> = {}): KeyFile {
  return {
    account_email: "telephony@example.com",
    account_id: 1234567,
    key_id: randomUUID(),
    private_key: overrides.private_key ?? makeRsaPem(),
    ...overrides,
  };
}

export function makeRsaPem(modulusLength = 2048, type: "pkcs8" | "pkcs1" = "pkcs8"): string {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength });
  return privateKey.export({ type, format: "pem" }).toString();
}

export function makeEcPem(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}
