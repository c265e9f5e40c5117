import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { networkReason } from "../../lib/voximplant/errors.ts";

const circular = new Error("its own cause");
circular.cause = circular;

it.each<[string, unknown, string]>([
  ["the cause of fetch", new TypeError("fetch failed", { cause: new Error("ECONNRESET") }), "ECONNRESET"],
  [
    "the root below a DOMException",
    new TypeError("fetch failed", {
      cause: Object.assign(new DOMException("cancelled"), { cause: new Error("Proxy response (407)") }),
    }),
    "Proxy response (407)",
  ],
  [
    "the first address that was tried, with its code",
    new TypeError("fetch failed", {
      cause: new AggregateError([Object.assign(new Error("refused"), { code: "ECONNREFUSED" })]),
    }),
    "refused (ECONNREFUSED)",
  ],
  ["an error of another realm", runInNewContext("new Error('of Jest')"), "of Jest"],
  ["an error that is its own cause", circular, "its own cause"],
  ["a text", "just text", "unknown reason"],
  ["nothing", undefined, "unknown reason"],
])("networkReason finds why a request failed: %s", (_, error, reason) => {
  expect(networkReason(error)).toBe(reason);
});
