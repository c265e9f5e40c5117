import { inspect } from "node:util";

import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { expect, it } from "vitest";

import { openSecretsManager } from "../../lib/key-lifecycle/secrets-manager.ts";
import { startSecretsManager } from "../../local/secrets-manager/server.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

it("openSecretsManager throws an error without any part of the key if an answer is damaged", async () => {
  const key = rsaPem().split("\n").slice(1, -2).join("");
  const server = await startSecretsManager({
    fault: () => ({
      status: 200,
      body: `{"SecretString": "${key.slice(0, 200)}"${key.slice(200)}"}`,
      headers: { "Content-Type": "application/x-amz-json-1.1" },
    }),
  });
  const credentials = { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "example" };
  const client = new SecretsManagerClient({ endpoint: server.url, region: "us-east-1", credentials });

  const error: unknown = await openSecretsManager(client)
    .readVersion("voximplant/outbound-calls", "version-1")
    .catch((caught: unknown) => caught);
  await server.close();

  expect(error).toMatchObject({ message: "the answer is not JSON" });
  const said = inspect(error, { depth: 10, showHidden: true });
  const runs = Array.from({ length: key.length - 15 }, (_, at) => key.slice(at, at + 16));
  expect(runs.filter((run) => said.includes(run))).toEqual([]);
});
