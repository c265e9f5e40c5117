import { createHash, createHmac } from "node:crypto";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Identity } from "../../local/gateway/identity.ts";
import { type Gateway, startGateway } from "../../local/gateway/server.ts";
import identities from "../../local/identities.json" with { type: "json" };
import { presign } from "../local/signers.ts";

/**
 * Requests that two readers could understand differently, byte for byte through a socket. Whoever
 * sends them has valid credentials, Alice's, and wants to be taken for the billing worker.
 */
const [billing, , alice] = identities as [Identity, Identity, Identity];
const now = new Date("2026-11-24T03:45:00Z");
const DATE = "20261124T034500Z";
const SCOPE = "20261124/us-east-1/execute-api/aws4_request";
const PATH = "/v1/service-accounts/outbound-calls/token";
const BODY = '{"ttl_seconds":60}';

let gateway: Gateway;
let host: string;
/** The ARNs that the function has heard of. */
const heard: string[] = [];

beforeAll(async () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  gateway = await startGateway({
    identities,
    now: () => now,
    invoke: (event) => {
      const { requestContext } = event as { requestContext: { identity: { userArn: string } } };
      heard.push(requestContext.identity.userArn);
      return Promise.resolve({ statusCode: 200, body: "{}" });
    },
  });
  host = new URL(gateway.url).host;
});
afterAll(async () => {
  vi.restoreAllMocks();
  await gateway.close();
});

type Lines = readonly (readonly [name: string, value: string])[];
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest();

interface Signing {
  readonly identity?: Identity;
  readonly target?: string;
  /** In the order in which they are signed. Default: every header, sorted. */
  readonly names?: readonly string[];
  readonly date?: string;
}

/**
 * An `Authorization` over exactly these headers, made step by step: a library would tidy them up.
 */
function sign(lines: Lines, { identity = alice, target = PATH, date = DATE, ...signing }: Signing = {}) {
  const names = signing.names ?? [...new Set(lines.map(([name]) => name.toLowerCase()))].sort();
  const valueOf = (name: string) =>
    lines
      .filter(([one]) => one.toLowerCase() === name)
      .map(([, value]) => value)
      .join(",");
  const [path = "", query = ""] = target.split("?");
  const headers = names.map((name) => `${name}:${valueOf(name)}`);
  const canonical = ["POST", path, query, ...headers, "", names.join(";"), sha256(BODY)].join("\n");
  const toSign = ["AWS4-HMAC-SHA256", date, SCOPE, sha256(canonical)].join("\n");
  const key = SCOPE.split("/").reduce<string | Buffer>(hmac, `AWS4${identity.secretAccessKey}`);
  const signature = hmac(key, toSign).toString("hex");
  const credential = `Credential=${identity.accessKeyId}/${SCOPE}`;
  return `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
}

interface Raw {
  readonly lines: Lines;
  readonly target?: string;
  readonly body?: string;
}

/** The status that these bytes get. */
async function statusOf({ lines, target = PATH, body = BODY }: Raw): Promise<number> {
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const hasLength = lines.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name));
  const length = hasLength ? "" : `Content-Length: ${Buffer.byteLength(body)}\r\n`;
  const socket = connect(gateway.port, "127.0.0.1");
  socket.write(`POST ${target} HTTP/1.1\r\n${head}${length}Connection: close\r\n\r\n${body}`);
  const answer = await text(socket);
  expect(answer.match(/^HTTP\/1\.1 /gm)).toHaveLength(1);
  return Number(answer.split(" ")[1]);
}

/** Headers that are valid together, with Alice's signature; `change` takes them apart. */
const usual = (): Lines => [
  ["Host", host],
  ["X-Amz-Date", DATE],
];
const authorized = (lines: Lines, signing?: Signing): Lines => [
  ["Authorization", sign(lines, signing)],
  ...lines,
];
const withToken = (value: string): Lines => [...usual(), ["X-Amz-Security-Token", value]];
const tokenOf = ({ sessionToken = "" }: Identity) => sessionToken;

/**
 * The billing worker's request, which was overheard: its signature is valid, for its own headers.
 */
const overheard = () => sign(withToken(tokenOf(billing)), { identity: billing });

describe("a request in another form that AWS accepts", () => {
  it.each<[string, () => Raw]>([
    ["as usual", () => ({ lines: authorized(usual()) })],
    [
      "with names of headers in other case",
      () => ({ lines: authorized(usual()).map(([name, value]) => [name.toUpperCase(), value]) }),
    ],
    ["with its headers in another order", () => ({ lines: authorized(usual()).toReversed() })],
    [
      "with a header that is repeated and signed as one list",
      () => ({ lines: authorized([...usual(), ["X-Custom", "a"], ["X-Custom", "b"]]) }),
    ],
  ])("is that of its signer: %s", async (_, raw) => {
    heard.length = 0;
    expect(await statusOf(raw())).toBe(200);
    expect(heard).toEqual([alice.userArn]);
  });
});

describe("a request that could be read in two ways", () => {
  const other = `127.0.0.2:1`;
  it.each<[string, number, () => Raw]>([
    [
      "two Authorization headers, the own one first",
      403,
      () => ({ lines: [...authorized(usual()), ["Authorization", overheard()]] }),
    ],
    [
      "two Authorization headers, the own one last",
      403,
      () => ({ lines: [["Authorization", overheard()], ...authorized(usual())] }),
    ],
    [
      "two equal Authorization headers, in another case",
      403,
      () => ({ lines: [...authorized(usual()), ["authorization", sign(usual())]] }),
    ],
    [
      "an Authorization header that names two credentials",
      403,
      () => ({
        lines: [
          [
            "Authorization",
            sign(usual()).replace("Credential=", `Credential=${billing.accessKeyId}/${SCOPE}, Credential=`),
          ],
          ...usual(),
        ],
      }),
    ],
    [
      "two x-amz-date, both signed",
      403,
      () => ({ lines: authorized([...usual(), ["x-amz-date", "20261124T034459Z"]]) }),
    ],
    [
      "a second x-amz-date that was added later",
      403,
      () => ({ lines: [...authorized(usual()), ["x-amz-date", "20261125T034500Z"]] }),
    ],
    ["two Host, both signed", 400, () => ({ lines: authorized([...usual(), ["Host", other]]) })],
    ["a second Host that was added later", 400, () => ({ lines: [...authorized(usual()), ["host", other]] })],
    ["two equal Host", 400, () => ({ lines: [...authorized(usual()), ["Host", host]] })],
    ["no Host", 400, () => ({ lines: authorized(usual()).filter(([name]) => name !== "Host") })],
    ["a Host that is not signed", 403, () => ({ lines: authorized(usual(), { names: ["x-amz-date"] }) })],
    ["an x-amz-date that is not signed", 403, () => ({ lines: authorized(usual(), { names: ["host"] }) })],
    [
      "an x-amz-* header that was added later",
      403,
      () => ({ lines: [...authorized(usual()), ["X-Amz-User-Arn", billing.userArn]] }),
    ],
    [
      "signed headers out of order",
      403,
      () => ({ lines: authorized(usual(), { names: ["x-amz-date", "host"] }) }),
    ],
    [
      "a signed header that is listed twice",
      403,
      () => ({ lines: authorized(usual(), { names: ["host", "host", "x-amz-date"] }) }),
    ],
    [
      "two session tokens, both signed",
      403,
      () => ({
        lines: authorized([...withToken(tokenOf(billing)), ["X-Amz-Security-Token", tokenOf(billing)]], {
          identity: billing,
        }),
      }),
    ],
    [
      "a session token of somebody else, signed by a user who has none",
      403,
      () => ({ lines: authorized(withToken(tokenOf(billing))) }),
    ],
    [
      "a session token in the query alone",
      403,
      () => {
        const target = `${PATH}?X-Amz-Security-Token=${encodeURIComponent(tokenOf(billing))}`;
        return { target, lines: authorized(usual(), { identity: billing, target }) };
      },
    ],
    [
      "Content-Length with Transfer-Encoding",
      400,
      () => ({
        lines: [
          ...authorized(usual()),
          ["Content-Length", String(BODY.length)],
          ["Transfer-Encoding", "chunked"],
        ],
        body: `${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`,
      }),
    ],
    [
      "two lengths",
      400,
      () => ({
        lines: [...authorized(usual()), ["Content-Length", String(BODY.length)], ["Content-Length", "0"]],
      }),
    ],
    [
      "an encoding that is not chunked last",
      400,
      () => ({ lines: [...authorized(usual()), ["Transfer-Encoding", "chunked, identity"]] }),
    ],
    [
      "a blank before the colon",
      400,
      () => ({ lines: authorized(usual()).map(([name, value]) => [`${name} `, value]) }),
    ],
    ["a bare line feed in a header", 400, () => ({ lines: authorized([["X-A", "a\nX-B: b"], ...usual()]) })],
    ["a NUL in a header", 400, () => ({ lines: authorized([...usual(), ["X-A", "a\u0000b"]]) })],
  ])("gets no token, and the function hears of nobody: %s", async (_, status, raw) => {
    heard.length = 0;
    expect(await statusOf(raw())).toBe(status);
    expect(heard).toEqual([]);
  });

  it("is that of its signer, or refused, with a header that is folded over two lines", async () => {
    heard.length = 0;
    const folded = authorized(usual()).map(
      ([name, value]) => [name, value.replace(", Signature", ",\r\n Signature")] as const,
    );
    const injected = authorized([...usual(), ["X-A", "a\r\n X-Amz-User-Arn: b"]]);
    for (const lines of [folded, injected]) expect([200, 400, 403]).toContain(await statusOf({ lines }));
    expect(heard.filter((arn) => arn !== alice.userArn)).toEqual([]);
  });
});

describe("a signature in the query beside one in the header", () => {
  const presigned = async (identity: Identity) => {
    const { url } = await presign({ identity, url: gateway.url + PATH, body: BODY, date: now });
    return url.slice(gateway.url.length);
  };

  it.each([
    ["the same signer's", alice],
    ["somebody else's", billing],
  ])("gets no token, and the function hears of nobody: %s", async (_, identity) => {
    heard.length = 0;
    const target = await presigned(identity);
    // Signed over the whole query, as it is sent, and over the path alone.
    for (const signed of [target, PATH]) {
      const lines = authorized(usual(), { target: signed });
      expect(await statusOf({ target, lines })).toBe(403);
    }
    expect(heard).toEqual([]);
  });

  it("gets no token by a parameter that the canonical request leaves out", async () => {
    heard.length = 0;
    expect(await statusOf({ target: `${PATH}?X-Amz-Signature=x`, lines: authorized(usual()) })).toBe(403);
    expect(heard).toEqual([]);
  });

  it.each(["X-Amz-Credential", "X-Amz-Expires", "X-Amz-Date", "X-Amz-Signature", "X-Amz-SignedHeaders"])(
    "gets no token if the query has %s twice",
    async (name) => {
      heard.length = 0;
      const target = await presigned(alice);
      const lines: Lines = [["Host", host]];
      expect(await statusOf({ target, lines })).toBe(200);
      const value = new URLSearchParams(target.split("?")[1]).get(name) ?? "";
      const doubled = `${target}&${name}=${encodeURIComponent(value)}`;
      expect(await statusOf({ target: doubled, lines })).toBe(403);
      expect(heard).toEqual([alice.userArn]);
    },
  );
});
