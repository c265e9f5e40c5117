import { fork } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { once } from "node:events";
import { copyFile, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import jsonwebtoken from "jsonwebtoken";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { HttpResponse } from "../../lib/http/response.ts";
import type { TokenResponse } from "../../lib/http/wire.ts";
import { type SecretsManager, startSecretsManager } from "../../local/secrets-manager/server.ts";
import { makeKeyFile } from "../fakes/credentials.ts";
import { restEvent } from "../fakes/events.ts";
import { FETCHING_NODE_MS, findNode, NODE_MAJORS } from "./node-runtime.ts";

const keyFile = makeKeyFile();
let secretsManager: SecretsManager;
let folder: string;

beforeAll(async () => {
  secretsManager = await startSecretsManager({
    secrets: { "voximplant/outbound-calls": JSON.stringify(keyFile) },
  });
  folder = await mkdtemp(join(tmpdir(), "vend-token-"));
  await copyFile("dist/test/functions/vend-token/index.mjs", join(folder, "index.mjs"));
});
afterAll(async () => {
  await secretsManager.close();
  await rm(folder, { recursive: true });
});

/**
 * Starts the function in a process of its own; `answer` has it answer one event, and resolves when
 * the process ended.
 */
async function start(node: string) {
  const child = fork(
    resolve("test/e2e/answer-event.mjs"),
    [join(folder, "index.mjs"), JSON.stringify(restEvent())],
    {
      execPath: node,
      execArgv: [],
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: {
        AWS_REGION: "us-east-1",
        AWS_ACCESS_KEY_ID: "AKIAEXAMPLE",
        AWS_SECRET_ACCESS_KEY: "example",
        AWS_ENDPOINT_URL_SECRETS_MANAGER: secretsManager.url,
      },
    },
  );
  const { stdout, stderr } = child;
  if (!stdout || !stderr) throw new Error("the child was started without its pipes");
  let output = "";
  stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  stderr.resume();
  await once(child, "message");
  return {
    stdout,
    answer: async () => {
      let response: HttpResponse | undefined;
      child.on("message", (message: { response: HttpResponse }) => (response = message.response));
      child.send("go");
      await once(child, "close");
      return { response, output };
    },
  };
}

describe("the built function, copied alone to an empty folder", () => {
  it.for(NODE_MAJORS)("vends a token on Node %i", { timeout: FETCHING_NODE_MS }, async (major, context) => {
    const node = await findNode(major, context);
    expect(await readdir(folder)).toEqual(["index.mjs"]);
    const { answer } = await start(node);
    const { response, output } = await answer();

    expect(response).toMatchObject({ statusCode: 200 });
    const { access_token } = JSON.parse(response?.body ?? "{}") as TokenResponse;
    expect(
      jsonwebtoken.verify(access_token, createPublicKey(keyFile.private_key), { algorithms: ["RS256"] }),
    ).toMatchObject({ iss: keyFile.account_id, sub: "arn:aws:iam::111122223333:role/billing-worker" });
    expect(output).toContain('"outcome":"vended"');
  });

  it("returns no token if its audit record cannot be written", async () => {
    const { stdout, answer } = await start(process.execPath);
    stdout.destroy();
    const { response } = await answer();
    expect(response?.statusCode ?? "crashed").not.toBe(200);
    expect(response?.body ?? "").not.toContain("access_token");
  });
});
