import { execFile } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { copyFile, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

import jsonwebtoken from "jsonwebtoken";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { TokenResponse } from "../../lib/http/wire.ts";
import { type SecretsManager, startSecretsManager } from "../../local/secrets-manager/server.ts";
import { makeKeyFile } from "../fakes/credentials.ts";
import { restEvent } from "../fakes/events.ts";
import { findNode, NODE_MAJORS } from "./node-runtime.ts";

const run = promisify(execFile);
const bundle = resolve("dist/functions/vend-token/index.mjs");
const keyFile = makeKeyFile();

let secretsManager: SecretsManager;
let folder: string;
beforeAll(async () => {
  secretsManager = await startSecretsManager({
    secrets: { "voximplant/outbound-calls": JSON.stringify(keyFile) },
  });
  folder = await mkdtemp(join(tmpdir(), "vend-token-"));
  await copyFile(bundle, join(folder, "index.mjs"));
});
afterAll(async () => {
  await secretsManager.close();
  await rm(folder, { recursive: true });
});

describe("the built function, copied alone to an empty folder", () => {
  it.each(NODE_MAJORS)("vends a token on Node %i", { timeout: 330_000 }, async (major) => {
    const node = await findNode(major);
    if (node === undefined) {
      console.warn(`Node ${major} is neither here nor to be had without a network: not tried.`);
      return;
    }
    expect(await readdir(folder)).toEqual(["index.mjs"]);
    const { stdout } = await run(
      node,
      [resolve("test/e2e/answer-event.mjs"), join(folder, "index.mjs"), JSON.stringify(restEvent())],
      {
        cwd: folder,
        env: {
          AWS_REGION: "us-east-1",
          AWS_ACCESS_KEY_ID: "AKIAEXAMPLE",
          AWS_SECRET_ACCESS_KEY: "example",
          AWS_ENDPOINT_URL_SECRETS_MANAGER: secretsManager.url,
        },
      },
    );
    const [lines = "", answer = "{}"] = stdout.split("\nRESPONSE ");
    const { statusCode, body } = JSON.parse(answer) as { statusCode: number; body: string };
    expect({ statusCode, body }).toMatchObject({ statusCode: 200 });
    const { access_token } = JSON.parse(body) as TokenResponse;
    expect(
      jsonwebtoken.verify(access_token, createPublicKey(keyFile.private_key), { algorithms: ["RS256"] }),
    ).toMatchObject({ iss: keyFile.account_id, sub: "arn:aws:iam::111122223333:role/billing-worker" });
    expect(lines).toContain('"outcome":"vended"');
  });
});
