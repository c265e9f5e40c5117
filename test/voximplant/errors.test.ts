import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { networkReason, wasNotSent, VoximplantError } from "../../lib/voximplant/errors.ts";

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

const failed = (code: string, syscall?: string) =>
  new TypeError("fetch failed", { cause: Object.assign(new Error(code), { code, syscall }) });

it.each<[boolean, string, unknown]>([
  [true, "ECONNREFUSED of connect", failed("ECONNREFUSED", "connect")],
  [true, "EHOSTUNREACH of connect", failed("EHOSTUNREACH", "connect")],
  [true, "ETIMEDOUT of connect", failed("ETIMEDOUT", "connect")],
  [true, "ENOTFOUND of getaddrinfo", failed("ENOTFOUND", "getaddrinfo")],
  [true, "EAI_AGAIN of getaddrinfo", failed("EAI_AGAIN", "getaddrinfo")],
  [true, "undici's time-out of a connection", failed("UND_ERR_CONNECT_TIMEOUT")],
  [true, "an expired certificate", failed("CERT_HAS_EXPIRED")],
  [true, "a self-signed certificate", failed("DEPTH_ZERO_SELF_SIGNED_CERT")],
  [true, "a chain with a self-signed certificate", failed("SELF_SIGNED_CERT_IN_CHAIN")],
  [true, "an unknown issuer", failed("UNABLE_TO_VERIFY_LEAF_SIGNATURE")],
  [true, "a certificate of another host", failed("ERR_TLS_CERT_ALTNAME_INVALID")],
  [false, "EHOSTUNREACH of write", failed("EHOSTUNREACH", "write")],
  [false, "ENETUNREACH of read", failed("ENETUNREACH", "read")],
  [false, "ETIMEDOUT of read", failed("ETIMEDOUT", "read")],
  [false, "ECONNREFUSED without a system call", failed("ECONNREFUSED")],
  [false, "ECONNRESET", failed("ECONNRESET", "read")],
  [false, "EPIPE", failed("EPIPE", "write")],
  [false, "undici's lost connection", failed("UND_ERR_SOCKET")],
  [false, "a TLS alert about the client's certificate", failed("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED")],
  [false, "a TLS alert about the server's certificate", failed("ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN")],
  [false, "a broken TLS record", failed("ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC")],
  [false, "a TLS handshake that timed out", failed("ERR_TLS_HANDSHAKE_TIMEOUT")],
  [false, "a message that only mentions ECONNREFUSED", new Error("upstream said ECONNREFUSED connect")],
  [false, "an error without a code", new Error("no")],
  [false, "no error", undefined],
  [
    true,
    "every address refused",
    new AggregateError([failed("ECONNREFUSED", "connect").cause, failed("ENETUNREACH", "connect").cause]),
  ],
  [
    false,
    "one address refused and one connection lost",
    new AggregateError([failed("ECONNREFUSED", "connect").cause, failed("ECONNRESET", "read").cause]),
  ],
])("wasNotSent is %s after %s", (expected, _, error) => {
  expect(wasNotSent(error)).toBe(expected);
});

it("an error of the platform quotes no token and no control character of its text", () => {
  const token = `eyJhbGciOiJSUzI1NiJ9.${"x".repeat(40)}.c2ln`;
  const { message } = new VoximplantError(
    "GetKeys",
    1,
    `the token ${token} is not valid\u001b[2J\nsecond line`,
  );
  expect(message).toBe("Voximplant refused GetKeys (error 1): the token [token] is not valid [2J.");
});
