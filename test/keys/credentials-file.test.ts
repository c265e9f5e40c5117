import { describe, expect, it } from "vitest";

import {
  CredentialsFileError,
  parseCredentials,
  serializeCredentials,
} from "../../lib/keys/credentials-file.ts";

const file = {
  account_email: "telephony@example.com",
  account_id: 1234567,
  key_id: "0f3c8a52-9c1e-4f0e-a3d7-5b1c2d3e4f50",
  private_key: "PEM",
};

describe("a credentials file", () => {
  it("is accepted as Voximplant supplies it", () => {
    expect(parseCredentials(JSON.stringify(file))).toEqual({
      accountId: 1234567,
      accountEmail: "telephony@example.com",
      keyId: file.key_id,
      privateKey: "PEM",
    });
  });

  it("may begin with a byte order mark, as Windows editors write it", () => {
    expect(parseCredentials(`\uFEFF${JSON.stringify(file)}`)).toMatchObject({ keyId: file.key_id });
  });

  it("may have unknown fields and no e-mail address", () => {
    const text = JSON.stringify({ ...file, account_email: undefined, added_later: true });
    const { keyId, privateKey } = parseCredentials(JSON.stringify(file));
    expect(parseCredentials(text)).toStrictEqual({ accountId: 1234567, keyId, privateKey });
  });

  it("keeps a byte order mark inside a text", () => {
    const text = JSON.stringify({ ...file, private_key: "P\uFEFFM" });
    expect(parseCredentials(text)).toMatchObject({ privateKey: "P\uFEFFM" });
  });

  it("may have a key id of 128 characters", () => {
    const text = JSON.stringify({ ...file, key_id: "k".repeat(128) });
    expect(parseCredentials(text)).toMatchObject({ keyId: "k".repeat(128) });
  });

  it.each([
    ["a missing account id", { account_id: undefined }, /^account_id: /],
    ["an account id as text", { account_id: "1234567" }, /^account_id: /],
    ["a fractional account id", { account_id: 1.5 }, /^account_id: /],
    ["a negative account id", { account_id: -1 }, /^account_id: /],
    ["a missing key id", { key_id: undefined }, /^key_id: /],
    ["an empty key id", { key_id: "" }, /^key_id: /],
    ["a key id of 129 characters", { key_id: "k".repeat(129) }, /^key_id: /],
    ["a key id that begins with a line break", { key_id: "\nkey-1" }, /^key_id: /],
    ["a key id that ends with a line break", { key_id: "key-1\n" }, /^key_id: /],
    ["a missing key", { private_key: undefined }, /^private_key: /],
    ["a key that is an object", { private_key: {} }, /^private_key: /],
    ["two faults at once", { key_id: 1, private_key: null }, /^key_id: .*; private_key: /],
  ])("with %s is refused with the name of the field", (_, change, message) => {
    const text = JSON.stringify({ ...file, ...change });
    expect(() => parseCredentials(text)).toThrow(CredentialsFileError);
    expect(() => parseCredentials(text)).toThrow(message);
  });

  it.each<[string, unknown, string]>([
    ["the whole answer of CreateKey", { result: file }, "the whole answer of CreateKey; "],
    ["that answer with an array", { result: [file] }, "the whole answer of CreateKey; "],
    ["an array with it alone", [file], "an array with one credentials file; "],
  ])("is refused if it is in %s, and the message says what to store", (_, content, message) => {
    const text = JSON.stringify(content);
    expect(() => parseCredentials(text)).toThrow(CredentialsFileError);
    expect(() => parseCredentials(text)).toThrow(`file: ${message}store only the object`);
  });

  it.each([{ result: 1 }, { result: [] }, [file, file], [1], { result: [file, file] }])(
    "is not said to be in %j",
    (content) => {
      expect(() => parseCredentials(JSON.stringify(content))).not.toThrow(/store only the object/);
    },
  );

  it.each(["", "null", "[]", "42", '"text"', "{", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqh"])(
    "with the content %j is refused without quoting it",
    (text) => {
      expect(() => parseCredentials(text)).toThrow(/^file: /);
      expect(() => parseCredentials(text)).not.toThrow(/BEGIN|MIIEv/);
    },
  );
});

describe("the key that CreateKey returned", () => {
  it("becomes a credentials file with all its fields", () => {
    const created = { ...file, key_name: "vtv-1", result: 1 };
    expect(JSON.parse(serializeCredentials(created))).toEqual(created);
  });

  it("is refused with the name of the field if a field is wrong", () => {
    expect(() => serializeCredentials({ ...file, private_key: undefined })).toThrow(/^private_key: /);
  });
});
