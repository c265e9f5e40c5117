import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { generate } from "selfsigned";

const { privateKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});

/** A credentials file around a key of this run. */
export const keyFile = {
  account_email: "telephony@example.com",
  account_id: 1234567,
  key_id: "00000000-0000-4000-8000-000000000001",
  private_key: privateKey,
};

export interface SecretServer {
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** A GetSecretValue that always gives the same key, over TLS as in the cloud. */
export async function startSecretServer(): Promise<SecretServer> {
  const { private: key, cert } = await generate([{ name: "commonName", value: "localhost" }]);
  const answer = JSON.stringify({
    SecretString: JSON.stringify(keyFile),
    VersionId: "3c0a5c1e-0000-4000-8000-000000000000",
  });
  const server = createServer({ key, cert }, (request, response) => {
    request.resume().on("end", () => {
      response.writeHead(200, { "Content-Type": "application/x-amz-json-1.1" });
      response.end(answer);
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/**
 * The whole environment of a measured process. Nothing of this one: NODE_EXTRA_CA_CERTS alone slows
 * a bare Node 20 by 38 ms, and NODE_OPTIONS may load anything.
 */
export function cleanEnvironment(server: SecretServer, home: string): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    HOME: home,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "AKIAEXAMPLE",
    AWS_SECRET_ACCESS_KEY: "example",
    AWS_ENDPOINT_URL_SECRETS_MANAGER: server.url,
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
    // The certificate of the stand-in is made for this run.
    NODE_TLS_REJECT_UNAUTHORIZED: "0",
    NODE_NO_WARNINGS: "1",
  };
}
