import { createPrivateKey, createPublicKey, generateKeyPairSync, verify, webcrypto } from "node:crypto";

import { describe, expect, it } from "vitest";

import { importSigningKey } from "../../lib/keys/signing-key.ts";
import { makeEcPem, makeRsaPem } from "../fakes/credentials.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

const importPem = (privateKey: string) =>
  importSigningKey({ accountId: 1234567, keyId: "key-1", privateKey });

describe("a signing key", () => {
  it.each(["pkcs8", "pkcs1"] as const)(
    "is imported from a %s PEM, and its signatures verify",
    async (type) => {
      const pem = createPrivateKey(rsaPem()).export({ type, format: "pem" }).toString();
      const { key, keyId, accountId } = await importPem(pem);

      const signature = await webcrypto.subtle.sign("RSASSA-PKCS1-v1_5", key, Buffer.from("message"));
      expect(verify("RSA-SHA256", Buffer.from("message"), createPublicKey(pem), Buffer.from(signature))).toBe(
        true,
      );
      expect({ keyId, accountId }).toEqual({ keyId: "key-1", accountId: 1234567 });
    },
  );

  it("cannot be exported by WebCrypto in any format", async () => {
    const { key } = await importPem(rsaPem());
    expect(key.extractable).toBe(false);
    await expect(webcrypto.subtle.exportKey("pkcs8", key)).rejects.toThrow();
    await expect(webcrypto.subtle.exportKey("jwk", key)).rejects.toThrow();
  });

  it("is accepted with Windows line endings and surrounding blank lines", async () => {
    await expect(importPem(`\r\n${rsaPem().replaceAll("\n", "\r\n")}\r\n`)).resolves.toBeDefined();
  });

  const rsaPss = () =>
    generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).privateKey.export({
      type: "pkcs8",
      format: "pem",
    });
  const encrypted = () =>
    createPrivateKey(rsaPem()).export({
      type: "pkcs8",
      format: "pem",
      cipher: "aes-256-cbc",
      passphrase: "secret",
    });
  const publicKey = () => createPublicKey(rsaPem()).export({ type: "spki", format: "pem" });

  it.each([
    ["an EC key", makeEcPem, /this one is ec/],
    ["an RSA-PSS key", rsaPss, /this one is rsa-pss/],
    ["a 1024-bit key", () => makeRsaPem(1024), /this key has 1024/],
    ["a 2047-bit key", () => makeRsaPem(2047), /this key has 2047/],
    ["an encrypted key", encrypted, /must be an unencrypted private key in PEM \(ERR_\w+\)$/],
    ["a public key", publicKey, /must be an unencrypted private key in PEM \(ERR_\w+\)$/],
    [
      "a truncated PEM",
      () => rsaPem().slice(0, 800),
      /must be an unencrypted private key in PEM \(ERR_\w+\)$/,
    ],
    ["no PEM", () => "MIIEvQIBADANBgkqhkiG9w0", /must be an unencrypted private key in PEM \(ERR_\w+\)$/],
  ])("cannot be %s, and the error quotes none of it", async (_, makePem, message) => {
    const pem = makePem().toString();
    const error: unknown = await importPem(pem).catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      name: "CredentialsFileError",
      message: expect.stringMatching(message) as string,
    });
    expect(String(error)).toMatch(/private_key/);
    const body = pem.split("\n")[1] ?? pem;
    expect(String(error)).not.toContain(body.slice(0, 16));
  });
});
