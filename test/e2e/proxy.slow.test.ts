import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { startStack, type Stack } from "../../local/stack.ts";

const root = resolve(import.meta.dirname, "../..");
let stack: Stack;
let home: string;
beforeAll(async () => {
  stack = await startStack();
  home = await mkdtemp(join(tmpdir(), "proxy-"));
});
afterAll(async () => {
  await stack.close();
  await rm(home, { recursive: true });
});

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
    const { hostname, port } = new URL(`http://${request.url ?? ""}`);
    const upstream = connect(Number(port), hostname, () => {
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
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
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
  it("reaches the vendor and the Management API through HTTP_PROXY", async () => {
    const { url, asked } = await startProxy();
    const { status, out } = await voxtoken(["api", "call-history", "GetAccountInfo", "--no-cache"], {
      HTTP_PROXY: url,
    });
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ result: { account_id: 1234567 } });
    const hosts = [new URL(stack.url).host, new URL(stack.managementApi.apiUrl).host];
    expect(new Set(asked)).toEqual(new Set(hosts));
  });

  it("connects directly to the hosts of NO_PROXY, and treats an empty variable as absent", async () => {
    const { url, asked } = await startProxy();
    const variables = [
      { HTTP_PROXY: url, NO_PROXY: "127.0.0.1" },
      { HTTP_PROXY: "", HTTPS_PROXY: "" },
    ];
    for (const env of variables)
      expect(await voxtoken(["whoami"], env)).toMatchObject({ status: 0, err: "" });
    expect(asked).toEqual([]);
  });

  it("reports that the proxy requires a password", async () => {
    const { url } = await startProxy(() => undefined);
    const { status, err } = await voxtoken(["whoami", "--timeout", "2"], { HTTP_PROXY: url });
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
