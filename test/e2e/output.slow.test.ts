import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";

import { expect, it, onTestFinished } from "vitest";

const command = resolve(import.meta.dirname, "../../dist/cli/voxtoken.js");

/** A process of its own, because only bin/voxtoken.ts has the real streams. */
async function start(shell: string) {
  const home = await mkdtemp(join(tmpdir(), "output-"));
  onTestFinished(() => rm(home, { recursive: true }));
  const env = {
    ...process.env,
    HOME: home,
    VOXTOKEN: `${process.execPath} ${command}`,
    VOXTOKEN_URL: "http://127.0.0.1:9/prod",
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
    AWS_SECRET_ACCESS_KEY: "secret",
  };
  return spawn("bash", ["-c", shell], { env, stdio: ["ignore", "pipe", "pipe"] });
}

it.runIf(process.platform === "linux")("a full disk makes a command fail, and it says so", async () => {
  const child = await start("$VOXTOKEN completion bash > /dev/full");
  const [err, ended] = await Promise.all([text(child.stderr), once(child, "exit")]);
  expect({ status: ended[0] as unknown, err }).toEqual({
    status: 1,
    err: expect.stringContaining("voxtoken: cannot write to stdout: ENOSPC") as string,
  });
});

it("a reader of stdout that ends early is not an error", async () => {
  const child = await start("$VOXTOKEN completion bash | true; echo ${PIPESTATUS[0]}");
  expect(await text(child.stdout)).toBe("0\n");
});

it("a reader of stderr that ends early does not end a command", async () => {
  const child = await start("$VOXTOKEN whoami --timeout 1 2> >(true) | cat; echo ${PIPESTATUS[0]}");
  expect(await text(child.stdout)).toBe("1\n");
});

it("a command that failed keeps its status although the reader of stdout has gone", async () => {
  const child = await start("$VOXTOKEN whoami --timeout 1 2> /dev/null | true; echo ${PIPESTATUS[0]}");
  expect(await text(child.stdout)).toBe("1\n");
});
