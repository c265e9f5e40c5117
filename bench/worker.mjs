// Forked by calls.ts, with its output thrown away: measures in-process, one round of each kind
// after the other, so that whatever else the machine does hits all of them alike. Reports
// milliseconds for one call of each, round by round.
import { createPrivateKey, sign } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { CompactSign, importPKCS8, SignJWT } from "jose";
import jsonwebtoken from "jsonwebtoken";

const { bundle, keyFile, granted, refused, rounds, calls } = JSON.parse(process.argv[2]);
const { handler } = await import(bundle);
// Another copy, which asks Secrets Manager for each token.
process.env.SIGNING_KEY_TTL_SECONDS = "0";
const { handler: withoutCache } = await import(`${bundle}?without-cache`);

const { private_key: pem, key_id: keyid, account_id: iss } = keyFile;
const key = createPrivateKey(pem);
const joseKey = await importPKCS8(pem, "RS256");
const context = { awsRequestId: "bench" };
// As long as the signed part of a vended token.
const message = Buffer.alloc(360, "x");
const claims = () => {
  const iat = Math.floor(Date.now() / 1000);
  return { iss, iat, exp: iat + 300, sub: "arn:aws:iam::111122223333:role/billing-worker", jti: keyid };
};
const header = { alg: "RS256", typ: "JWT", kid: keyid };

const VoximplantApiClient = createRequire(import.meta.url)("@voximplant/apiclient-nodejs").default;
const credentials = join(process.env.HOME, "credentials.json");
await writeFile(credentials, JSON.stringify(keyFile));
const official = await new Promise((resolve) => {
  const client = new VoximplantApiClient({ pathToCredentials: credentials });
  client.onReady = () => resolve(client);
});

const kinds = {
  sign: () => sign("RSA-SHA256", message, key),
  vend: () => handler(granted, context),
  jose: () => new CompactSign(Buffer.from(JSON.stringify(claims()))).setProtectedHeader(header).sign(joseKey),
  refuse: () => handler(refused, context),
  keyObject: () => jsonwebtoken.sign(claims(), key, { algorithm: "RS256", keyid }),
  pem: () => jsonwebtoken.sign(claims(), pem, { algorithm: "RS256", keyid }),
  signJwt: () => new SignJWT({ ...claims(), iss: String(iss) }).setProtectedHeader(header).sign(joseKey),
  official: () => official.generateAuthHeader(),
  fetchEach: () => withoutCache(granted, context),
};

const [vended, denied] = [await kinds.vend(), await kinds.refuse()];
if (vended.statusCode !== 200 || denied.statusCode !== 403) throw new Error(`${vended.body} ${denied.body}`);

const perCall = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, []]));
for (let round = 0; round < rounds; round++) {
  for (const [kind, run] of Object.entries(kinds)) {
    const start = performance.now();
    for (let call = 0; call < calls; call++) await run();
    perCall[kind].push((performance.now() - start) / calls);
  }
}
process.send(perCall, () => process.exit());
