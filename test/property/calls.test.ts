import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jsonLog } from "../../lib/audit/log.ts";
import { createCallHandler } from "../../lib/call.ts";
import { indexGrants } from "../../lib/grants/authorize.ts";
import type { HttpResponse } from "../../lib/http/response.ts";
import { importSigningKey } from "../../lib/keys/signing-key.ts";
import { platformConnection } from "../../lib/voximplant/connection.ts";
import { runs } from "../fakes/at-length.ts";
import { expectAuditRecord } from "../fakes/audit-schema.ts";
import { httpEvent, restEvent } from "../fakes/events.ts";
import { grant, roleArn, serviceAccount } from "../fakes/policy.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

const WINDOW = 16;
const signingKey = await importSigningKey({ accountId: 1234567, keyId: "key-1", privateKey: rsaPem() });

/** What a hostile or broken platform sends, byte for byte; undefined: nothing, ever. */
type Behaviour = (token: string) => { readonly send?: string; readonly then: "end" | "reset" | "hang" };

const answer = (status: string, body: string, headers: readonly string[] = []) =>
  [`HTTP/1.1 ${status}`, `Content-Length: ${Buffer.byteLength(body)}`, ...headers, "", body].join("\r\n");
const escaped = (text: string) =>
  text.replace(/./g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** How the platform quotes what it was sent. */
const quote = fc.constantFrom<(token: string) => string>(
  () => "nothing",
  (token) => token,
  (token) => `Bearer ${token}`,
  (token) => escaped(token),
  (token) => token.split(".")[2] ?? "",
  (token) => token.split(".").slice(0, 2).join("."),
);

const behaviour: fc.Arbitrary<Behaviour> = fc.oneof(
  fc.constant<Behaviour>(() => ({ then: "hang" })),
  fc.constant<Behaviour>(() => ({ then: "reset" })),
  fc.constant<Behaviour>(() => ({ send: "HTTP/1.1 200 OK\r\nContent-Le", then: "end" })),
  fc.constant<Behaviour>(() => ({ send: "\u0000\u0001 no HTTP at all\r\n\r\n", then: "end" })),
  quote.map<Behaviour>((text) => (token) => ({
    send: answer("302 Found", "", [`Location: http://127.0.0.1:1/?${text(token)}`]),
    then: "end",
  })),
  quote.map<Behaviour>((text) => (token) => ({
    send: `HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{"result":"${text(token)}"`,
    then: "end",
  })),
  quote.map<Behaviour>((text) => (token) => ({
    send: `HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{"result":"${text(token)}"}`,
    then: "end",
  })),
  fc
    .tuple(quote, fc.constantFrom("200 OK", "401 Unauthorized", "500 Oh"), fc.boolean())
    .map<Behaviour>(([text, status, isJson]) => (token) => ({
      send: answer(
        status,
        isJson ? `{"error":{"code":100,"msg":"${text(token)}"}}` : `<html>${text(token)}</html>`,
        [`X-Echo: ${text(token)}`],
      ),
      then: "end",
    })),
  fc.constant<Behaviour>(() => ({
    send: answer("200 OK", `{"result":"${"x".repeat(6 * 1024 * 1024)}"}`),
    then: "end",
  })),
);

let behave: Behaviour = () => ({ then: "reset" });
let tokens: string[] = [];
const sockets = new Set<Socket>();
const server = createServer((socket) => {
  sockets.add(socket);
  socket.on("error", () => undefined); // The client hangs up where it has had enough.
  let received = "";
  socket.on("data", (chunk) => {
    const hadToken = /Bearer \S+/.test(received);
    received += chunk.toString("latin1");
    const token = /Bearer (\S+)/i.exec(received)?.[1];
    if (token === undefined || hadToken) return;
    tokens.push(token);
    const { send, then } = behave(token);
    if (send !== undefined) socket.write(send);
    if (then === "end") socket.end();
    if (then === "reset") socket.resetAndDestroy();
  });
});
let url = "";
beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/platform_api`;
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  server.close();
  await once(server, "close");
});

function windowsOf(text: string): Set<string> {
  const windows = new Set<string>();
  for (let start = 0; start + WINDOW <= text.length; start++) windows.add(text.slice(start, start + WINDOW));
  return windows;
}

/** An answer's texts once its JSON is decoded as well: an escaped token is a token. */
function decoded({ headers, body }: HttpResponse): string {
  return [JSON.stringify(headers), body, JSON.stringify(JSON.parse(body))].join("\n");
}

describe("for any platform", () => {
  it("no answer, header, log line or audit record of a call has 16 characters of a token's signature", async () => {
    const statuses = new Set<number>();
    await fc.assert(
      fc.asyncProperty(behaviour, fc.constantFrom(restEvent, httpEvent), async (hostile, makeEvent) => {
        behave = hostile;
        tokens = [];
        const lines: string[] = [];
        const write = (line: string) => void lines.push(line);
        const handler = createCallHandler({
          deployment: "vendor-dev",
          grants: indexGrants({
            serviceAccounts: [serviceAccount("outbound-calls")],
            grants: [grant([roleArn("billing-worker")], ["outbound-calls"], { methods: ["StartScenarios"] })],
          }),
          getSigningKey: () =>
            Promise.resolve({
              state: "fresh",
              held: { signingKey, secretVersionId: "version-1", fetchedAt: Date.now() },
            }),
          platform: { ...platformConnection(url), deadlineMs: 300 },
          writeAudit: write,
          log: jsonLog(write, Date.now),
          now: Date.now,
          newId: () => "7d444840-9dc0-11d1-b245-5ffdce74fad2",
        });
        const event = makeEvent({ path: "/v1/service-accounts/outbound-calls/methods/StartScenarios" });
        const response = await handler(event, { awsRequestId: "lambda-1" });

        statuses.add(response.statusCode);
        expect(lines).toHaveLength(1);
        expectAuditRecord(JSON.parse(lines[0] ?? "") as object);
        // The platform has seen the call once, whatever it made of it.
        expect(tokens).toHaveLength(1);
        const signature = windowsOf(tokens[0]?.split(".")[2] ?? "");
        expect(signature.size).toBeGreaterThan(300);
        const said = windowsOf([...lines, decoded(response)].join("\n"));
        expect([...said].filter((run) => signature.has(run))).toEqual([]);
      }),
      runs(200),
    );
    expect([...statuses]).toEqual(expect.arrayContaining([502, 504]));
  });
});
