import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, request as httpRequest, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { generate } from "selfsigned";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { startStack, type Stack } from "../../local/stack.ts";

const root = resolve(import.meta.dirname, "../..");
const VENDOR = "vendor.example";
const PLATFORM = "platform.example";
/** Hosts that only the proxy can reach: no request to them gets past it. */
const behindTheProxy = {
  VOXTOKEN_URL: `https://${VENDOR}`,
  VOXIMPLANT_API_URL: `https://${PLATFORM}/platform_api`,
};

let stack: Stack;
let home: string;
let front: Awaited<ReturnType<typeof startFront>>;
beforeAll(async () => {
  stack = await startStack();
  home = await mkdtemp(join(tmpdir(), "proxy-"));
  front = await startFront();
});
afterAll(async () => {
  front.server.close();
  await stack.close();
  await rm(home, { recursive: true });
});

const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;

/** The local stack as {@link VENDOR} and {@link PLATFORM}, over TLS. */
async function startFront() {
  const altNames = [VENDOR, PLATFORM].map((value) => ({ type: 2 as const, value }));
  const { cert, private: key } = await generate([{ name: "commonName", value: VENDOR }], {
    extensions: [{ name: "subjectAltName", altNames }],
  });
  const certificateFile = join(home, "ca.pem");
  await writeFile(certificateFile, cert);
  const server = createTlsServer({ key, cert }, (incoming, response) => {
    const origin = incoming.headers.host === PLATFORM ? stack.managementApi.apiUrl : stack.url;
    const { method, headers, url = "/" } = incoming;
    const outgoing = httpRequest(new URL(url, origin), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    incoming.pipe(outgoing);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, certificateFile };
}

/** A proxy on loopback. @returns its url, and the hosts that it was asked for */
async function startProxy(refuse?: RequestListener) {
  const asked: string[] = [];
  const server = createServer((_request, response) => response.writeHead(400).end());
  server.on("connect", (request, client, head) => {
    asked.push(request.url ?? "");
    if (refuse !== undefined) {
      client.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
      return;
    }
    const upstream = connect(portOf(front.server), "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    upstream.on("error", () => client.destroy());
    client.on("error", () => upstream.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${portOf(server)}`, asked };
}

/** `voxtoken`, as a process: only bin/voxtoken.ts chooses the way to the network. */
function voxtoken(args: readonly string[], env: Readonly<Record<string, string>>) {
  return new Promise<{ status: number; out: string; err: string }>((resolve) => {
    execFile(
      process.execPath,
      [join(root, "dist/cli/voxtoken.js"), ...args],
      {
        env: {
          PATH: process.env["PATH"],
          HOME: home,
          AWS_SHARED_CREDENTIALS_FILE: join(root, "local/aws-credentials"),
          AWS_PROFILE: "nightly-report",
          AWS_REGION: "us-east-1",
          VOXTOKEN_URL: stack.url,
          VOXIMPLANT_API_URL: stack.managementApi.apiUrl,
          NODE_EXTRA_CA_CERTS: front.certificateFile,
          ...env,
        },
      },
      (error, out, err) => {
        resolve({ status: Number(error?.code ?? 0), out, err });
      },
    );
  });
}

describe("voxtoken behind a proxy", () => {
  it.each(["HTTPS_PROXY", "HTTP_PROXY"])(
    "reaches the vendor and the Management API through %s",
    async (variable) => {
      const { url, asked } = await startProxy();
      const { status, out, err } = await voxtoken(["api", "call-history", "GetAccountInfo", "--no-cache"], {
        ...behindTheProxy,
        [variable]: url,
      });
      expect({ status, err }).toEqual({ status: 0, err: "" });
      expect(JSON.parse(out)).toMatchObject({ result: { account_id: 1234567 } });
      expect(new Set(asked)).toEqual(new Set([`${VENDOR}:443`, `${PLATFORM}:443`]));
    },
  );

  it("sends no request to this machine through the proxy, where it would be readable", async () => {
    const { url, asked } = await startProxy();
    const { status, err } = await voxtoken(["api", "call-history", "GetAccountInfo", "--no-cache"], {
      HTTP_PROXY: url,
      HTTPS_PROXY: url,
    });
    expect({ status, err }).toEqual({ status: 0, err: "" });
    expect(asked).toEqual([]);
  });

  it("connects directly to the hosts of NO_PROXY", async () => {
    const { url, asked } = await startProxy();
    const { status } = await voxtoken(["whoami", "--timeout", "2"], {
      VOXTOKEN_URL: `https://localhost.invalid:1`,
      HTTPS_PROXY: url,
      NO_PROXY: "localhost.invalid",
    });
    expect(status).toBe(1);
    expect(asked).toEqual([]);
  });

  it("treats an empty variable as absent", async () => {
    const { status, err } = await voxtoken(["whoami"], { HTTP_PROXY: "", HTTPS_PROXY: "" });
    expect({ status, err }).toEqual({ status: 0, err: "" });
  });

  it("reports that the proxy requires a password", async () => {
    const { url } = await startProxy(() => undefined);
    const { status, err } = await voxtoken(["whoami", "--timeout", "2"], {
      ...behindTheProxy,
      HTTPS_PROXY: url,
    });
    expect(status).toBe(1);
    expect(err).toContain("hint: the proxy requires a password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT");
  });

  it("names the variable that is not a URL, without its value", async () => {
    const { status, err } = await voxtoken(["whoami"], { HTTPS_PROXY: "user:secret" });
    expect(status).toBe(2);
    expect(err).toContain("HTTPS_PROXY or HTTP_PROXY is not a URL");
    expect(err).not.toContain("secret");
  });

  it("reports that a port speaks http if https was expected", async () => {
    const { status, err } = await voxtoken(["whoami", "--timeout", "2"], {
      VOXTOKEN_URL: stack.url.replace("http:", "https:"),
    });
    expect(status).toBe(1);
    expect(err).toContain("hint: that port speaks http, not https");
  });
});
