import { describe, expect, it } from "vitest";

import { CredentialsFileError, parseCredentials } from "../../lib/keys/credentials-file.ts";

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
    expect(parseCredentials(text)).toMatchObject({ accountId: 1234567 });
  });

  it.each([
    ["a missing account id", { account_id: undefined }, /^account_id: /],
    ["an account id as text", { account_id: "1234567" }, /^account_id: /],
    ["a fractional account id", { account_id: 1.5 }, /^account_id: /],
    ["a negative account id", { account_id: -1 }, /^account_id: /],
    ["a missing key id", { key_id: undefined }, /^key_id: /],
    ["an empty key id", { key_id: "" }, /^key_id: /],
    ["a missing key", { private_key: undefined }, /^private_key: /],
    ["a key that is an object", { private_key: {} }, /^private_key: /],
    ["two faults at once", { key_id: 1, private_key: null }, /^key_id: .*; private_key: /],
  ])("with %s is refused with the name of the field", (_, change, message) => {
    const text = JSON.stringify({ ...file, ...change });
    expect(() => parseCredentials(text)).toThrow(CredentialsFileError);
    expect(() => parseCredentials(text)).toThrow(message);
  });

  it.each(["", "null", "[]", "42", '"text"', "{", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqh"])(
    "with the content %j is refused without quoting it",
    (text) => {
      expect(() => parseCredentials(text)).toThrow(/^file: /);
      expect(() => parseCredentials(text)).not.toThrow(/BEGIN|MIIEv/);
    },
  );
});
