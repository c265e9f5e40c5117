#!/usr/bin/env node
import { homedir, uptime, userInfo } from "node:os";
import { isAbsolute } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Input, Io, Output } from "../lib/cli/io.ts";
import { runProgram } from "../lib/cli/program.ts";
import { childRunner } from "../lib/cli/run-child.ts";
import { deleteEmpty } from "../lib/environment.ts";

// exec hands the environment on as it was. The AWS SDK reads process.env, and takes empty variables for set ones.
const env = { ...process.env };
deleteEmpty(process.env);
// On Node 20 the AWS SDK would print a paragraph about 2027 in front of what was asked for.
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

// A reader that has seen enough (`voxtoken whoami | head -1`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit();
  throw error;
});

const INTERRUPTS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** `homedir()` throws where a user without HOME is unknown to the system, as in many containers. */
function homeDirectory(): string | undefined {
  try {
    return isAbsolute(homedir()) ? homedir() : userInfo().homedir;
  } catch {
    return undefined;
  }
}

const io: Io = {
  stdin: input,
  stdout: output(process.stdout),
  stderr: output(process.stderr),
  env,
  fetch: globalThis.fetch,
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
// Ends what a command gave up waiting for, such as a credential process, once its output is written.
process.stdout.write("", () => process.exit(status));
