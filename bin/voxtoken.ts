#!/usr/bin/env node
import { homedir, uptime, userInfo } from "node:os";
import { isAbsolute } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Input, Io, Output } from "../lib/cli/io.ts";
import { runProgram } from "../lib/cli/program.ts";
import { childRunner } from "../lib/cli/run-child.ts";
import { deleteEmpty, readVariable } from "../lib/environment.ts";
import { isLoopback } from "../lib/voximplant/api-url.ts";

// exec passes this copy on unchanged. Empty variables are deleted from process.env, because the AWS
// SDK counts them as set.
const env = { ...process.env };
deleteEmpty(process.env);
// Without this, the AWS SDK prints a warning about its support of Node 20 before the output.
process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";

const output = (stream: NodeJS.WriteStream): Output => ({
  isTerminal: stream.isTTY,
  write: (text) => {
    stream.write(text);
  },
});

const input: Input = {
  isTerminal: process.stdin.isTTY,
  setEcho: (on) => {
    if (process.stdin.isTTY) process.stdin.setRawMode(!on);
  },
  [Symbol.asyncIterator]: () => process.stdin[Symbol.asyncIterator](),
};

process.stdout.on("error", endWithoutOutput);
// Without this, a reader of stderr that ends early would end `exec` before it starts its child.
process.stderr.on("error", () => undefined);

let isEnding = false;

function endWithoutOutput(error: NodeJS.ErrnoException): void {
  // Each further write fails too, and calls this function again. Only the first call sends SIGTERM
  // (below): a second SIGTERM would make `admin probe` stop its clean-up.
  if (isEnding) return;
  isEnding = true;
  if (error.code !== "EPIPE") {
    process.stderr.write(`voxtoken: cannot write to stdout: ${error.message}\n`);
    process.exit(1);
  }
  // A reader that ends early (`voxtoken whoami | head -1`) is not an error. A command that cleans
  // up on an interrupt, such as `serve`, gets SIGTERM, and so cleans up here too.
  if (process.listenerCount("SIGTERM") > 0) process.emit("SIGTERM", "SIGTERM");
  else process.exit();
}

const PROXY_VARIABLES = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];
const INTERRUPTS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** `homedir()` throws for a user without HOME and without an account, as in many containers. */
function homeDirectory(): string | undefined {
  try {
    return isAbsolute(homedir()) ? homedir() : userInfo().homedir;
  } catch {
    return undefined;
  }
}

/**
 * Node's fetch, or undici's if HTTPS_PROXY or HTTP_PROXY is set. undici also reads NO_PROXY. undici
 * is loaded only for a proxy, because it is large.
 *
 * Requests to this machine bypass the proxy, as in Go's `ProxyFromEnvironment`: they may be plain
 * http, so the proxy could read the token in them.
 */
async function chooseFetch(): Promise<typeof fetch> {
  if (!PROXY_VARIABLES.some((name) => readVariable(env, name) !== undefined)) return globalThis.fetch;
  const { default: undici } = await import("undici");
  let dispatcher: InstanceType<typeof undici.EnvHttpProxyAgent>;
  try {
    dispatcher = new undici.EnvHttpProxyAgent();
  } catch {
    // The value may hold a password.
    process.stderr.write("voxtoken: HTTPS_PROXY or HTTP_PROXY is not a URL like http://proxy:80\n");
    process.exit(2);
  }
  // undici does not accept Node's own Request, so undici gets the parts.
  const proxied: unknown = (input: string | URL | Request, init: object = {}) => {
    if (isLoopback(new URL(input instanceof Request ? input.url : input))) return fetch(input, init);
    if (!(input instanceof Request)) return undici.fetch(input, { ...init, dispatcher });
    const { url, method, headers, body, signal, redirect } = input;
    const parts = { method, headers: [...headers], body, signal, redirect, duplex: "half" as const };
    return undici.fetch(url, { ...parts, ...init, dispatcher });
  };
  return proxied as typeof fetch;
}

const io: Io = {
  stdin: input,
  stdout: output(process.stdout),
  stderr: output(process.stderr),
  env,
  fetch: await chooseFetch(),
  now: Date.now,
  monotonic: () => uptime() * 1000,
  sleep: (ms) => sleep(ms),
  homeDirectory: homeDirectory(),
  userId: process.getuid?.(),
  runChild: childRunner(process),
  onInterrupt: (listener) => {
    for (const signal of INTERRUPTS) process.on(signal, listener);
    return () => {
      for (const signal of INTERRUPTS) process.off(signal, listener);
    };
  },
};

const status = await runProgram(
  process.argv.slice(2),
  io,
  async () => (await import("../lib/operator/commands.ts")).operatorCommands,
);
// Exits once the output is written, even if something still runs, such as a credential process.
process.stdout.write("", (error: NodeJS.ErrnoException | null | undefined) => {
  if (error && error.code !== "EPIPE") endWithoutOutput(error);
  process.exit(status);
});
