import { createPublicKey, verify } from "node:crypto";

import jsonwebtoken from "jsonwebtoken";
import { beforeAll, describe, expect, it } from "vitest";

import { importSigningKey, type SigningKey } from "../../lib/keys/signing-key.ts";
import { fingerprint, mintToken } from "../../lib/token/mint.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

const claims = {
  iss: 1234567,
  iat: 1_795_521_595,
  exp: 1_795_521_900,
  sub: "arn:aws:iam::111122223333:role/billing-worker",
  jti: "7d444840-9dc0-11d1-b245-5ffdce74fad2",
};
const pem = rsaPem();
const publicKey = createPublicKey(pem);

describe("a minted token", () => {
  let signingKey: SigningKey;
  let token: string;
  beforeAll(async () => {
    signingKey = await importSigningKey({ accountId: 1234567, keyId: "key-1", privateKey: pem });
    token = await mintToken(claims, signingKey);
  });

  const part = (index: number) => token.split(".")[index] ?? "";
  const json = (index: number): unknown => JSON.parse(Buffer.from(part(index), "base64url").toString());

  it("has exactly the header alg, typ, kid, and exactly the claims given", () => {
    expect(json(0)).toEqual({ alg: "RS256", typ: "JWT", kid: "key-1" });
    expect(json(1)).toEqual(claims);
  });

  it("is verified by node:crypto", () => {
    const signed = Buffer.from(`${part(0)}.${part(1)}`);
    expect(verify("RSA-SHA256", signed, publicKey, Buffer.from(part(2), "base64url"))).toBe(true);
  });

  it("is verified by a second JOSE library, which refuses it with one character changed", () => {
    const options = { algorithms: ["RS256" as const], clockTimestamp: claims.iat + 10 };
    expect(jsonwebtoken.verify(token, publicKey, options)).toEqual(claims);

    const middle = part(2).length / 2;
    const flipped = part(2)[middle] === "A" ? "B" : "A";
    const signature = part(2).slice(0, middle) + flipped + part(2).slice(middle + 1);
    expect(() => jsonwebtoken.verify(`${part(0)}.${part(1)}.${signature}`, publicKey, options)).toThrow(
      /signature/,
    );
  });
});

it("the fingerprint of a token is its SHA-256, as sha256sum prints it", () => {
  // printf abc | sha256sum
  expect(fingerprint("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});
