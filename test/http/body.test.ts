import { describe, expect, it } from "vitest";

import { readTokenRequest } from "../../lib/http/body.ts";

const read = (body: string) => readTokenRequest("outbound-calls", body);
const ttl = "ttl_seconds: must be a whole number of seconds from 30 to 3600";
const account = "account_id: must be the id of a child account, a positive whole number";

describe("a token request's body", () => {
  it.each([
    ["", {}],
    ["{}", {}],
    ['{"ttl_seconds":30}', { ttlSeconds: 30 }],
    ['{"ttl_seconds":3600}', { ttlSeconds: 3600 }],
    ['{"ttl_seconds":300.0}', { ttlSeconds: 300 }],
    [' {"account_id": 7654321, "ttl_seconds": 60} ', { ttlSeconds: 60, accountId: 7654321 }],
  ])("%j is read as %j", (body, request) => {
    expect(read(body)).toEqual({ serviceAccount: "outbound-calls", ...request });
  });

  it.each([
    ['{"ttl_seconds":29}', ttl],
    ['{"ttl_seconds":3601}', ttl],
    ['{"ttl_seconds":-300}', ttl],
    ['{"ttl_seconds":300.5}', ttl],
    ['{"ttl_seconds":"300"}', ttl],
    ['{"ttl_seconds":null}', ttl],
    ['{"ttl_seconds":1e999}', ttl],
    ['{"ttl_seconds":[300]}', ttl],
    ['{"account_id":"7654321"}', account],
    ['{"account_id":0}', account],
    ['{"account_id":1.5}', account],
    ['{"account_id":9007199254740993}', account],
    ['{"account_id":null}', account],
    ['{"ttl_seconds":1,"account_id":0}', `${ttl}; ${account}`],
    ['{"ttl":300}', 'unknown field "ttl"; the known fields are ttl_seconds and account_id'],
    [
      '{"__proto__":{"ttl_seconds":30}}',
      'unknown field "__proto__"; the known fields are ttl_seconds and account_id',
    ],
    ['{"constructor":1}', 'unknown field "constructor"; the known fields are ttl_seconds and account_id'],
    ["[]", "body: must be a JSON object"],
    ["null", "body: must be a JSON object"],
    ["300", "body: must be a JSON object"],
    ["ttl_seconds=300", 'body: must be JSON, such as {"ttl_seconds": 300}, or empty'],
    [" ", 'body: must be JSON, such as {"ttl_seconds": 300}, or empty'],
  ])("is refused with a list of the allowed fields: %j", (body, detail) => {
    expect(read(body)).toEqual({ reason: "invalid_request", detail });
  });

  it("is limited to 1024 bytes, not characters", () => {
    const padded = (length: number) => `${" ".repeat(length - 2)}{}`;
    expect(read(padded(1024))).toEqual({ serviceAccount: "outbound-calls" });
    const tooLarge = { reason: "invalid_request", detail: "body: must be at most 1024 bytes" };
    expect(read(padded(1025))).toEqual(tooLarge);
    expect(read(JSON.stringify({ x: "é".repeat(600) }))).toEqual(tooLarge);
  });
});
