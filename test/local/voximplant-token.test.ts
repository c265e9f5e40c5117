import {
  createPrivateKey,
  createPublicKey,
  createSign,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import { verifyToken } from "../../local/voximplant/token.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

const key = keyPair();
const other = keyPair();
const elliptic = generateKeyPairSync("ec", { namedCurve: "P-256" });

const now = 1_800_000_000;
const header = { alg: "RS256", typ: "JWT", kid: "known" };
const claims = { iss: 1234567, iat: now - 5, exp: now + 300 };

function keyPair() {
  const privateKey = createPrivateKey(rsaPem());
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

function sign(payload: object, protectedHeader: { alg: string } = header, by: KeyObject = key.privateKey) {
  return new SignJWT({ ...payload }).setProtectedHeader(protectedHeader).sign(by);
}

const encodePart = (part: string | Buffer) => Buffer.from(part as string).toString("base64url");

function signParts(protectedHeader: string | Buffer, payload: string): string {
  const signed = `${encodePart(protectedHeader)}.${encodePart(payload)}`;
  return `${signed}.${createSign("RSA-SHA256").update(signed).sign(key.privateKey, "base64url")}`;
}

function check(token: string) {
  return verifyToken(token, {
    findKey: (kid) =>
      kid === "known" ? { publicKey: key.publicKey, accountIds: [1234567, 7654321] } : undefined,
    nowSeconds: now,
    skewSeconds: 1,
  });
}

describe("the stand-in accepts a token", () => {
  it.each([
    ["as documented", claims],
    ["with claims beyond the required ones", { ...claims, sub: "arn:…", jti: "1", nbf: now }],
    ["for a child account", { ...claims, iss: 7654321 }],
    ["with quotation marks and colons in a text", { ...claims, sub: 'a":"b\\', jti: '","iss":1' }],
    ["with claims that are lists and objects", { ...claims, act: { iss: [{ iss: 1 }, "iss"] } }],
    ["with the longest lifetime", { ...claims, iat: now, exp: now + 3600 }],
    ["issued at most a second ahead", { ...claims, iat: now + 1 }],
  ])("%s", async (_, payload) => {
    expect(check(await sign(payload))).toMatchObject({ accepted: true, claims: { kid: "known" } });
  });
});

describe("the stand-in refuses a token", () => {
  it.each([
    ["with an unknown key", claims, { ...header, kid: "unknown" }, 433],
    ["without a kid", claims, { alg: "RS256" }, 447],
    ["with the account as a string", { ...claims, iss: "1234567" }, header, 447],
    ["without an account", { ...claims, iss: undefined }, header, 447],
    ["without exp", { ...claims, exp: undefined }, header, 447],
    ["without iat", { ...claims, iat: undefined }, header, 447],
    ["for another owner's account", { ...claims, iss: 999 }, header, 100],
    ["that lives a second too long", { ...claims, iat: now, exp: now + 3601 }, header, 454],
    ["issued in the future", { ...claims, iat: now + 2 }, header, 455],
    ["at the second in which it expires", { ...claims, exp: now }, header, 456],
  ])("%s", async (_, payload, protectedHeader, code) => {
    expect(check(await sign(payload, protectedHeader))).toMatchObject({ accepted: false, code });
  });

  it("that another key has signed", async () => {
    expect(check(await sign(claims, header, other.privateKey))).toMatchObject({ code: 100 });
  });

  it.each([
    ["RS512", key.privateKey],
    ["PS256", key.privateKey],
    ["ES256", elliptic.privateKey],
  ])("with the algorithm %s", async (alg, by) => {
    expect(check(await sign(claims, { ...header, alg }, by))).toMatchObject({ code: 447 });
  });

  it("without a signature, or with one made with the public key as a secret", async () => {
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    expect(check(`${encode({ ...header, alg: "none" })}.${encode(claims)}.`)).toMatchObject({ code: 447 });
    const secret = Buffer.from(key.publicKey.export({ type: "spki", format: "pem" }));
    const confused = await new SignJWT({ ...(claims as object) })
      .setProtectedHeader({ ...header, alg: "HS256" })
      .sign(secret);
    expect(check(confused)).toMatchObject({ code: 447 });
  });

  it.each(["", "a.b", "a.b.c", "a.b.c.d", "ä.ö.ü", "bnVsbA.bnVsbA.bnVsbA"])(
    "that is not a token: %j",
    (text) => {
      expect(check(text)).toMatchObject({ accepted: false, code: 447 });
    },
  );

  it("with extensions in crit, even an empty list", () => {
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    for (const crit of [["b64"], []]) {
      const signed = `${encode({ ...header, b64: true, crit })}.${encode(claims)}`;
      const signature = createSign("RSA-SHA256").update(signed).sign(key.privateKey, "base64url");
      expect(check(`${signed}.${signature}`)).toMatchObject({ code: 447 });
    }
  });

  it.each([
    [
      "a member of the header twice",
      `{"alg":"none",${JSON.stringify(header).slice(1)}`,
      JSON.stringify(claims),
    ],
    ["a claim twice", JSON.stringify(header), `{"iss":1, ${JSON.stringify(claims).slice(1)}`],
    [
      "a claim twice, once escaped",
      JSON.stringify(header),
      JSON.stringify(claims).replace("{", '{"\\u0069ss" : 1,'),
    ],
    [
      "a member twice in a claim that is an object",
      JSON.stringify(header),
      JSON.stringify({ ...claims, act: { a: 1 } }).replace('{"a":1}', '{"a":1,"a":1}'),
    ],
    ["a header that is a list", "[]", JSON.stringify(claims)],
    [
      "a header that is not UTF-8",
      Buffer.from('{"alg":"RS256","kid":"known","x":"\xff"}', "latin1"),
      JSON.stringify(claims),
    ],
    ["a byte order mark", `\ufeff${JSON.stringify(header)}`, JSON.stringify(claims)],
  ])("with %s", (_, protectedHeader, payload) => {
    expect(check(signParts(protectedHeader, payload))).toMatchObject({ code: 447 });
  });

  it("of a key that is not RSA, whatever the header says", () => {
    const signed = `${encodePart(JSON.stringify(header))}.${encodePart(JSON.stringify(claims))}`;
    const signature = createSign("SHA256").update(signed).sign(elliptic.privateKey, "base64url");
    const verification = verifyToken(`${signed}.${signature}`, {
      findKey: () => ({ publicKey: elliptic.publicKey, accountIds: [1234567] }),
      nowSeconds: now,
      skewSeconds: 1,
    });
    expect(verification).toMatchObject({ accepted: false, code: 100 });
  });

  it("that is another spelling of an accepted token", async () => {
    const token = await sign(claims);
    // 256 bytes leave the last four bits of the last character unused: it is one of A, Q, g and w.
    const last = String.fromCharCode(token.charCodeAt(token.length - 1) + 1);
    const respelt = token.slice(0, -1) + last;
    expect(Buffer.from(respelt.split(".")[2] ?? "", "base64url")).toEqual(
      Buffer.from(token.split(".")[2] ?? "", "base64url"),
    );
    for (const spelling of [
      respelt,
      `${token}=`,
      `${token}==`,
      token.replaceAll("-", "+").replaceAll("_", "/"),
    ]) {
      if (spelling !== token) expect(check(spelling)).toMatchObject({ code: 447 });
    }
  });

  it("with one character changed, wherever it is", async () => {
    const token = await sign(claims);
    const [head = "", payload = ""] = token.split(".");
    for (const at of [2, head.length + 3, head.length + payload.length + 5]) {
      const changed = token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
      expect(check(changed).accepted).toBe(false);
    }
  });
});
