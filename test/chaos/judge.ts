import type { EntitlementsResponse, ErrorResponse, TokenResponse } from "../../lib/http/wire.ts";
import type { AskedToken, Expectation } from "./requests.ts";

export interface Given {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** What was broken while a request was on its way, or shortly before. */
export interface Trouble {
  readonly secrets: boolean;
  readonly voximplant: boolean;
  readonly killed: boolean;
}

export type Verdict =
  | { readonly kind: "right"; readonly token?: string }
  /** An allowed request failed, as it may while something is broken. */
  | { readonly kind: "failed"; readonly code: string }
  | { readonly kind: "wrong"; readonly why: string };

/** The failures that a broken Secrets Manager, platform or container explains. */
const explained: Readonly<Record<keyof Trouble, readonly string[]>> = {
  // A value that is not a key is an internal_error: nobody but an operator can mend it.
  secrets: ["503 signing_key_unavailable", "500 internal_error"],
  voximplant: ["502 platform_unavailable", "504 platform_timeout"],
  killed: ["500 internal_error"],
};

/** Decides on an answer by what was asked alone, without any code of the service. */
export function judge(expect: Expectation, given: Given, trouble: Trouble, now: number): Verdict {
  if (given.status !== 200) return judgeFailure(expect, given, trouble);
  switch (expect.what) {
    case "refusal":
      return wrong(`200 instead of ${expect.status}`);
    case "token":
      return judgeToken(expect.asked, given, now);
    case "entitlements": {
      const { service_accounts: listed } = JSON.parse(given.body) as EntitlementsResponse;
      const names = listed.map(({ name, tokens }) => `${name} ${tokens}`).join();
      return names === "outbound-calls false" ? { kind: "right" } : wrong(`the entitlements are ${names}`);
    }
    case "method": {
      const { result } = JSON.parse(given.body) as { result?: unknown };
      // The service passes the platform's answer on, whatever it says.
      return result === 1 || trouble.voximplant ? { kind: "right" } : wrong("not the platform's answer");
    }
  }
}

function judgeFailure(expect: Expectation, { status, body }: Given, trouble: Trouble): Verdict {
  let error: ErrorResponse;
  try {
    error = JSON.parse(body) as ErrorResponse;
  } catch {
    // An error of the platform is passed on as it is, with its status.
    if (expect.what === "method" && trouble.voximplant) return { kind: "failed", code: String(status) };
    return wrong(`${status} with a body that is no JSON`);
  }
  if (expect.what === "method" && trouble.voximplant && typeof error.error === "object") {
    return { kind: "failed", code: `${status} of the platform` };
  }
  const { error: name, error_description: text, request_id: id } = error;
  if (![name, text, id].every((one) => typeof one === "string" && one !== "")) {
    return wrong(`${status} without error, error_description or request_id`);
  }
  const code = `${status} ${name}`;
  if (expect.what === "refusal" && status === expect.status) return { kind: "right" };
  const reasons = (Object.keys(explained) as (keyof Trouble)[]).filter((reason) => {
    // A refusal needs neither the key nor the platform.
    if (expect.what === "refusal" || expect.what === "entitlements") return reason === "killed";
    return reason !== "voximplant" || expect.what === "method";
  });
  return reasons.some((reason) => trouble[reason] && explained[reason].includes(code))
    ? { kind: "failed", code }
    : wrong(`${code}, and nothing explains it`);
}

function judgeToken(asked: AskedToken, { headers, body }: Given, now: number): Verdict {
  const answer = JSON.parse(body) as TokenResponse;
  const [header, claims] = decode(answer.access_token);
  const seconds = now / 1000;
  const { iss, sub, iat, exp } = claims as { iss: number; sub: string; iat: number; exp: number };
  const rules: Readonly<Record<string, boolean>> = {
    "alg is RS256": header["alg"] === "RS256",
    "iss is the account asked for": iss === asked.accountId && answer.account_id === iss,
    "sub is the caller": sub === asked.principal,
    "it lives no longer than asked": exp - seconds <= asked.ttlSeconds + 1,
    "it lives an hour at most": exp - iat <= 3600,
    "it was issued now": Math.abs(seconds - iat) < 40,
    "it is alive": exp > seconds,
    "expires_in is true": Math.abs(exp - seconds - answer.expires_in) < 40,
    "expires_at is exp": Date.parse(answer.expires_at) === exp * 1000,
    "it must not be stored": headers["cache-control"] === "no-store",
  };
  const broken = Object.keys(rules).filter((rule) => rules[rule] !== true);
  return broken.length === 0 ? { kind: "right", token: answer.access_token } : wrong(broken.join(", "));
}

function decode(token: string): [header: Record<string, unknown>, claims: Record<string, unknown>] {
  const [header = "", claims = ""] = token.split(".");
  const read = (part: string) =>
    JSON.parse(Buffer.from(part, "base64url").toString()) as Record<string, unknown>;
  return [read(header), read(claims)];
}

function wrong(why: string): Verdict {
  return { kind: "wrong", why };
}

/** What gives access, by its form. */
const secrets: readonly (readonly [what: string, pattern: RegExp])[] = [
  ["a token", /eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}/],
  ["a private key", /PRIVATE KEY/],
  ["a part of a key", /[\w+/=-]{200}/],
];

/** What leaks from an answer that gives no token; undefined if nothing does. */
export function leakInAnswer(body: string): string | undefined {
  return secrets.find(([, pattern]) => pattern.test(body))?.[0];
}

/**
 * What leaks from a line of a log. API Gateway repeats a caller's headers in an answer to a wrong
 * signature; in a log they must not be.
 */
export function leakInLog(line: string): string | undefined {
  if (/local-only-(?:secret|session-token)-of/.test(line)) return "a caller's secret key or session token";
  return leakInAnswer(line);
}
