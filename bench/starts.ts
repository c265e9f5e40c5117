import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { TokenResponse } from "../lib/http/wire.ts";
import { restEvent } from "../test/fakes/events.ts";
import type { Measured } from "./rows.ts";
import { ratio } from "./statistics.ts";

const root = resolve(import.meta.dirname, "..");

/** What whole processes cost from their start to their end, one after the other in each round. */
export async function measureStarts(options: {
  readonly node: string;
  readonly bundle: string;
  readonly secretUrl: string;
  readonly env: Readonly<Record<string, string>>;
  readonly rounds: number;
}): Promise<Measured> {
  const { node, bundle, secretUrl, rounds } = options;
  const vendor = await startVendor();
  const env = { ...options.env, VOXTOKEN_URL: vendor.url };
  const client = pathToFileURL(join(root, "dist/client/index.js")).href;
  const request = `require("node:https").get(${JSON.stringify(secretUrl)}, (r) => r.resume().on("end", () => process.exit()))`;
  const kinds = {
    bare: ["-e", "0"],
    https: ["-e", request],
    cachedToken: [join(root, "dist/cli/voxtoken.js"), "token", "outbound-calls"],
    clientImport: ["--input-type=module", "-e", `await import(${JSON.stringify(client)})`],
    firstToken: [join(import.meta.dirname, "first-token.mjs"), bundle, JSON.stringify(restEvent())],
  };
  const times: Record<keyof typeof kinds, number[]> = {
    bare: [],
    https: [],
    cachedToken: [],
    clientImport: [],
    firstToken: [],
  };
  // The first one fills the cache, and the operating system's.
  for (const args of Object.values(kinds)) await timeProcess(node, args, env);
  for (let round = 0; round < rounds; round++) {
    for (const [kind, args] of Object.entries(kinds)) {
      times[kind as keyof typeof kinds].push(await timeProcess(node, args, env));
    }
  }
  await vendor.close();
  return {
    cachedToken: ratio(times.cachedToken, times.bare),
    clientImport: ratio(times.clientImport, times.bare),
    firstToken: ratio(times.firstToken, times.https),
  };
}

/** The servers answer from this process, so a child must not be waited for synchronously. */
async function timeProcess(
  node: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<number> {
  const start = performance.now();
  const child = spawn(node, args, { env, stdio: ["ignore", "ignore", "inherit"] });
  const [status] = (await once(child, "exit")) as [number];
  if (status !== 0) throw new Error(`node ${args.join(" ").slice(0, 80)} ended with ${status}`);
  return performance.now() - start;
}

/** Vends a token for the command line's cache. It is asked once. */
async function startVendor() {
  const token = {
    access_token: "eyJ.eyJ.sig",
    token_type: "Bearer",
    expires_in: 3595,
    expires_at: new Date(Date.now() + 3_595_000).toISOString().replace(/\.\d+Z/, "Z"),
    service_account: "outbound-calls",
    account_id: 1234567,
  } satisfies TokenResponse;
  const server = createServer((_request, response) => {
    response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(token));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
