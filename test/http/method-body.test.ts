import { describe, expect, it } from "vitest";
import { readMethodCall } from "../../lib/http/method-body.ts";
import { isFailure } from "../../lib/outcome.ts";

const JSON_TYPE = "application/json";
const FORM_TYPE = "application/x-www-form-urlencoded";

function read(body: string, contentType: string | undefined, method = "StartScenarios", hasQuery = false) {
  return readMethodCall("outbound-calls", method, { body, contentType, hasQuery });
}

function parametersOf(body: string, contentType?: string): Record<string, string> | string {
  const call = read(body, contentType);
  return isFailure(call) ? String("detail" in call && call.detail) : Object.fromEntries(call.parameters);
}

function detailOf(...args: Parameters<typeof read>): string {
  const call = read(...args);
  if (!isFailure(call)) throw new Error("it was not refused");
  expect(call.reason).toBe("invalid_request");
  return "detail" in call ? call.detail : "";
}

describe("the parameters of a method", () => {
  it.each([
    ["", undefined, {}],
    ["", "text/plain", {}],
    ["{}", JSON_TYPE, {}],
    ['{"rule_id":42}', JSON_TYPE, { rule_id: "42" }],
    ['{"rule_id":"42"}', "Application/JSON; charset=UTF-8", { rule_id: "42" }],
    ['{"with_calls":true,"price":-0.5}', JSON_TYPE, { with_calls: "true", price: "-0.5" }],
    ['{"rule_id":[1,"2",true]}', JSON_TYPE, { rule_id: "1;2;true" }],
    ['{"script_custom_data":"ß → 𝄞 & a=b;c"}', JSON_TYPE, { script_custom_data: "ß → 𝄞 & a=b;c" }],
    ['{"constructor":"1"}', JSON_TYPE, { constructor: "1" }],
    ["rule_id=42&phone=%2B49%2030", FORM_TYPE, { rule_id: "42", phone: "+49 30" }],
    ["a=1+2", `${FORM_TYPE};charset="utf-8"`, { a: "1 2" }],
    ["a=", FORM_TYPE, { a: "" }],
  ])("are read from %j as %s", (body, contentType, parameters) => {
    expect(parametersOf(body, contentType)).toEqual(parameters);
  });

  it.each([
    ['{"account_id":7654321,"rule_id":1}', JSON_TYPE],
    ["rule_id=1&account_id=7654321", FORM_TYPE],
  ])("do not include the child account, which the token is for: %s", (body, contentType) => {
    expect(read(body, contentType)).toEqual({
      request: { serviceAccount: "outbound-calls", method: "StartScenarios", accountId: 7654321 },
      parameters: new Map([["rule_id", "1"]]),
    });
  });

  const name = "the name of a parameter must begin with a-z, and have at most 64 of a-z, 0-9 and _";
  const type = "content-type: must be application/json or application/x-www-form-urlencoded, in UTF-8";
  const account = "account_id: must be the id of a child account, a positive whole number";
  it.each([
    ["{", JSON_TYPE, 'body: must be JSON, such as {"rule_id": 42}'],
    ["[]", JSON_TYPE, "body: must be a JSON object"],
    ["null", JSON_TYPE, "body: must be a JSON object"],
    ['{"a":{"b":1}}', JSON_TYPE, "a: must be a string, a number, a boolean, or a list of those"],
    ['{"a":null}', JSON_TYPE, "a: must be a string, a number, a boolean, or a list of those"],
    ['{"a":[[1]]}', JSON_TYPE, "a: must be a string, a number, a boolean, or a list of those"],
    ['{"a":[]}', JSON_TYPE, "a: must not be an empty list; leave it out"],
    ['{"a":["1;2"]}', JSON_TYPE, "a: an item of a list must not have a semicolon"],
    [
      '{"a":12345678901234567890}',
      JSON_TYPE,
      "a: is too large or too small for a JSON number; send it as a string",
    ],
    ['{"a":1e999}', JSON_TYPE, "a: is too large or too small for a JSON number; send it as a string"],
    ['{"a":1e-9}', JSON_TYPE, "a: is too large or too small for a JSON number; send it as a string"],
    [
      '{"a":"x\\u0000"}',
      JSON_TYPE,
      "a: must not have control characters, such as U+0000; to send them, call Voximplant directly with a token",
    ],
    [
      '{"a":"x\\ny"}',
      JSON_TYPE,
      "a: must not have control characters, such as U+000A; to send them, call Voximplant directly with a token",
    ],
    [
      "a=x%0Ay",
      FORM_TYPE,
      "a: must not have control characters, such as U+000A; to send them, call Voximplant directly with a token",
    ],
    ['{"a":"\\ud800"}', JSON_TYPE, "a: must be valid Unicode"],
    ["a=1&b=2&a=3", FORM_TYPE, "a: appears twice"],
    ["a=%ff", FORM_TYPE, "body: must be UTF-8, also where it is percent-encoded"],
    ["a=\ufffd", FORM_TYPE, "body: must be UTF-8"],
    ['{"A":1}', JSON_TYPE, `"A": ${name}`],
    ['{"":1}', JSON_TYPE, `"": ${name}`],
    ['{"a[]":1}', JSON_TYPE, `"a[]": ${name}`],
    ['{"__proto__":{"a":1}}', JSON_TYPE, `"__proto__": ${name}`],
    ["a%0d%0ax=1", FORM_TYPE, `"a\\r\\nx": ${name}`],
    ['{"account_id":"7654321"}', JSON_TYPE, account],
    ['{"account_id":0}', JSON_TYPE, account],
    ['{"account_id":1.5}', JSON_TYPE, account],
    ['{"account_id":[7654321]}', JSON_TYPE, account],
    ["account_id=abc", FORM_TYPE, account],
    ["account_id=", FORM_TYPE, account],
    ["rule_id=1", undefined, type],
    ["rule_id=1", "", type],
    ["rule_id=1", "text/plain", type],
    ["rule_id=1", "multipart/form-data; boundary=x", type],
    ["{}", "application/json; charset=iso-8859-1", type],
    ["{}", "application/jsonp", type],
  ])("refuses %j as %s, and says what is wrong", (body, contentType, detail) => {
    expect(detailOf(body, contentType)).toBe(detail);
  });

  it.each([
    ..."api_key session_id access_token jwt account_name account_email account_password".split(" "),
    ..."admin_user_id admin_user_name admin_user_api_key admin_user_password".split(" "),
  ])("refuses %s, which says who calls", (parameter) => {
    const detail = `${parameter}: must be left out; the vendor signs the call`;
    expect(detailOf(JSON.stringify({ [parameter]: "x" }), JSON_TYPE)).toBe(detail);
    expect(detailOf(`${parameter}=x`, FORM_TYPE)).toBe(detail);
  });

  it("refuses cmd, which could name another method than the path does", () => {
    expect(detailOf("cmd=CreateKey", FORM_TYPE)).toBe("cmd: must be left out; the path names the method");
  });

  it("refuses any query, because it would stand in logs", () => {
    const detail = "query: must be empty; parameters belong in the body";
    expect(detailOf("{}", JSON_TYPE, "StartScenarios", true)).toBe(detail);
  });

  it.each([
    "Start/Scenarios",
    "Start.Scenarios",
    "..",
    "",
    "Start%53cenarios",
    "a".repeat(65),
    "Start\n",
    "Ünicode",
  ])("refuses the method %j", (method) => {
    const detail = "the method in the path: must be 1 to 64 letters, digits and _";
    expect(detailOf("{}", JSON_TYPE, method)).toBe(detail);
  });

  it("allows 256 KiB, counted in bytes, and 100 parameters", () => {
    const padded = (bytes: number) => `a=${"ü".repeat((bytes - 2) / 2)}`;
    expect(parametersOf(padded(262_144), FORM_TYPE)).toHaveProperty("a");
    expect(detailOf(padded(262_146), FORM_TYPE)).toBe("body: must be at most 262144 bytes");
    const many = (count: number) => Array.from({ length: count }, (_, i) => `p${i}=1`).join("&");
    expect(parametersOf(many(100), FORM_TYPE)).toHaveProperty("p99");
    expect(detailOf(many(101), FORM_TYPE)).toBe("body: must have at most 100 parameters");
  });
});
