import { randomUUID } from "node:crypto";
import type { Identity } from "../../local/gateway/identity.ts";
import { anyOf } from "./weather.ts";
import { secondSigner, type ToSign } from "../local/signers.ts";

/** A request of the load, with what is right for it when nothing is broken. */
export interface Planned {
  readonly kind: string;
  readonly expect: Expectation;
  readonly request: Raw;
}

export type Expectation =
  | { readonly what: "token"; readonly asked: AskedToken }
  | { readonly what: "entitlements" }
  | { readonly what: "method"; readonly callId: string }
  | { readonly what: "refusal"; readonly status: number };

export interface AskedToken {
  /** The token's `sub`. */
  readonly principal: string;
  readonly accountId: number;
  /** The longest that the token may live. */
  readonly ttlSeconds: number;
}

/** As it goes over the wire. The path is sent as it stands. */
export interface Raw {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Kind {
  readonly name: string;
  readonly plan: () => Wish;
}

interface Wish {
  /** The role or the user. */
  readonly who: string;
  readonly path: string;
  readonly expect: Expectation;
  readonly method?: string;
  readonly body?: string;
  readonly sign?: Pick<ToSign, "date" | "service" | "region">;
  /** What somebody on the way does to the signed request. */
  readonly tamper?: (request: Raw) => Raw;
}

const ACCOUNT = 1234567;
const CHILD = 7654321;
const tokens = (serviceAccount: string) => `/v1/service-accounts/${serviceAccount}/token`;
const methodsOf = (method: string) => `/v1/service-accounts/outbound-calls/methods/${method}`;
const principal = (name: string) => `arn:aws:iam::111122223333:${name}`;
const seconds = (most: number) => 60 + Math.floor(Math.random() * (most - 59));

function token(who: string, serviceAccount: string, most: number, accountId = ACCOUNT): Wish {
  const ttlSeconds = seconds(most);
  const child = accountId === ACCOUNT ? {} : { account_id: accountId };
  return {
    who,
    path: tokens(serviceAccount),
    body: JSON.stringify({ ttl_seconds: ttlSeconds, ...child }),
    expect: { what: "token", asked: { principal: principal(who), accountId, ttlSeconds } },
  };
}

const good: readonly Kind[] = [
  { name: "token", plan: () => token("role/billing-worker", "outbound-calls", 300) },
  {
    name: "token of a child account",
    plan: () => token("role/billing-worker", "outbound-calls", 300, CHILD),
  },
  {
    name: "token of a second service account",
    plan: () => token("role/nightly-report", "call-history", 600),
  },
  { name: "token of a user", plan: () => token("user/ops/alice", "outbound-calls", 600) },
  {
    name: "entitlements",
    plan: () => ({
      who: "role/dialer",
      method: "GET",
      path: "/v1/service-accounts",
      expect: { what: "entitlements" },
    }),
  },
  {
    name: "call of a method",
    plan: () => {
      const callId = randomUUID();
      return {
        who: "role/dialer",
        path: methodsOf("StartScenarios"),
        body: JSON.stringify({ rule_id: 1, script_custom_data: callId }),
        expect: { what: "method", callId },
      };
    },
  },
];

const refused = (status: number, who: string, path: string, rest: Partial<Wish> = {}) => ({
  plan: (): Wish => ({ who, path, expect: { what: "refusal", status }, ...rest }),
});
const withHeaders =
  (change: (headers: Readonly<Record<string, string>>) => Record<string, string>) => (request: Raw) => ({
    ...request,
    headers: change(request.headers),
  });
const worker = "role/billing-worker";
const outbound = tokens("outbound-calls");

const bad: readonly Kind[] = [
  { name: "no grant, a session named as a role with one", ...refused(403, "role/intern", outbound) },
  {
    name: "a role of that name in another AWS account",
    ...refused(403, "role/billing-worker@444455556666", outbound),
  },
  { name: "a token for a caller of methods", ...refused(403, "role/dialer", outbound) },
  { name: "a method for a holder of tokens", ...refused(403, worker, methodsOf("StartScenarios")) },
  { name: "a method that is not in the grant", ...refused(403, "role/dialer", methodsOf("CreateKey")) },
  { name: "another service account", ...refused(403, worker, tokens("call-history")) },
  { name: "a service account that does not exist", ...refused(403, worker, tokens("no-such")) },
  { name: "another child account", ...refused(403, worker, outbound, { body: '{"account_id":7654322}' }) },
  { name: "too long a lifetime", ...refused(400, worker, outbound, { body: '{"ttl_seconds":301}' }) },
  {
    name: "a lifetime with half a second",
    ...refused(400, worker, outbound, { body: '{"ttl_seconds":60.5}' }),
  },
  { name: "a lifetime as text", ...refused(400, worker, outbound, { body: '{"ttl_seconds":"60"}' }) },
  {
    name: "an unknown member",
    ...refused(400, worker, outbound, { body: '{"__proto__":{"ttl_seconds":60},"sub":"x"}' }),
  },
  { name: "a body that is no JSON", ...refused(400, worker, outbound, { body: "{" }) },
  { name: "a body of 300 kB", ...refused(400, worker, outbound, { body: " ".repeat(300_000) }) },
  {
    name: "a parameter that says who calls",
    ...refused(400, "role/dialer", methodsOf("StartScenarios"), { body: '{"api_key":"x"}' }),
  },
  { name: "no signature", ...refused(403, worker, outbound, { tamper: withHeaders(() => ({})) }) },
  {
    name: "a signature with one digit changed",
    ...refused(403, worker, outbound, {
      tamper: withHeaders(({ Authorization = "", ...rest }) => ({
        ...rest,
        Authorization: Authorization.replace(/.$/, (digit) => (digit === "0" ? "1" : "0")),
      })),
    }),
  },
  {
    name: "a body changed after signing",
    ...refused(403, worker, outbound, { body: "{}", tamper: (request) => ({ ...request, body: "[]" }) }),
  },
  {
    name: "a path changed after signing",
    ...refused(403, worker, tokens("call-history"), {
      tamper: (request) => ({ ...request, path: outbound }),
    }),
  },
  { name: "a signature for another service", ...refused(403, worker, outbound, { sign: { service: "s3" } }) },
  { name: "`..` in the path", ...refused(403, worker, "/v1/service-accounts/x/%2e%2e/outbound-calls/token") },
  { name: "`//` in the path", ...refused(403, worker, "//v1/service-accounts/outbound-calls/token") },
  { name: "another method of HTTP", ...refused(403, worker, outbound, { method: "PUT" }) },
  {
    name: "a signature of twenty minutes ago",
    plan: () => ({
      who: worker,
      path: outbound,
      sign: { date: new Date(Date.now() - 20 * 60_000) },
      expect: { what: "refusal", status: 403 },
    }),
  },
];

/** The kinds that must be refused. */
export const badKinds: readonly string[] = bad.map(({ name }) => name);

const JSON_BODY = { "Content-Type": "application/json" };
const unchanged = (request: Raw): Raw => request;
const SHARE_OF_BAD = 0.3;

/** Any request of the table, signed now. */
export async function planRequest(url: string, identities: readonly Identity[]): Promise<Planned> {
  const kinds = Math.random() < SHARE_OF_BAD ? bad : good;
  const kind = anyOf(kinds);
  const { who, path, expect, method = "POST", body = "", sign, tamper = unchanged } = kind.plan();
  const signed = await secondSigner({
    identity: find(identities, who),
    url: url + path,
    method,
    body,
    headers: JSON_BODY,
    ...sign,
  });
  const request = tamper({ method, path, headers: signed.headers, body });
  return { kind: kind.name, expect, request };
}

/** @param who `role/x`, `user/x`, or with an AWS account: `role/x@444455556666` */
function find(identities: readonly Identity[], who: string): Identity {
  const [name = "", account = "111122223333"] = who.split("@");
  const part = name.startsWith("role/") ? `:assumed-${name}/` : `:${name}`;
  const found = identities.find(({ userArn }) => userArn.includes(`:${account}${part}`));
  if (found === undefined) throw new Error(`local/identities.json has nobody for ${who}`);
  return found;
}
