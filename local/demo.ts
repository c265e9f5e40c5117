/**
 * `npm run demo`: shows the main job and the life of a key once, for a new user. Ends with status 0
 * only if every step succeeded, and leaves nothing running.
 */
import { randomUUID } from "node:crypto";
import pc from "picocolors";
import type { AuditRecord } from "../lib/audit/record.ts";
import {
  callApi,
  createMethodCaller,
  createTokenProvider,
  TokenError,
  type TokenProvider,
} from "../lib/client/index.ts";
import { type Stack, startStack } from "./stack.ts";

/** A step of the demo had an unexpected result. */
class DemoError extends Error {
  override readonly name = "DemoError";
}

function expect(holds: boolean, what: string): asserts holds {
  if (!holds) throw new DemoError(`The demo failed: ${what}`);
}

const SERVICE_ACCOUNT = "outbound-calls";

title("Starting a gateway, the built functions and stand-ins, all on this machine");
// Keys are not cached here, so that a rotation takes effect at once.
const stack = await startStack({ env: { SIGNING_KEY_TTL_SECONDS: "0" } });
try {
  const before = tokensFor(stack, "role/billing-worker");
  await showVending(stack, before);
  await showRefusal(stack);
  showAudit(stack);
  await showMethods(stack);
  await showRotation(stack, before);
  await showStranger(stack, before);
  title("All steps succeeded. Next: npm start, and docs/.");
} catch (error) {
  if (!(error instanceof DemoError || error instanceof TokenError)) throw error;
  console.error(pc.red(error.message));
  process.exitCode = 1;
} finally {
  await stack.close();
}

async function showVending(stack: Stack, getToken: TokenProvider): Promise<void> {
  title("1. A caller with a grant gets a token");
  show("Who called", arnOf(stack, "role/billing-worker"));
  show("Proof of identity", "it signed the request with SigV4; the gateway checked the signature");
  show("What it asked for", `a token of the service account ${SERVICE_ACCOUNT}`);
  const { accessToken } = await getToken();
  const { header, claims } = decode(accessToken);
  show("The token's header", header);
  show("Its claims", claims);
  show("Its signature", "not shown here, because it completes the token");
  expect(
    claims["sub"] === "arn:aws:iam::111122223333:role/billing-worker",
    "the token's sub is not the caller.",
  );

  title("2. Voximplant accepts it (a stand-in that checks the token as documented)");
  const { result } = await callApi(getToken, "GetAccountInfo", {}, { apiUrl: stack.managementApi.apiUrl });
  show("GetAccountInfo", result);
  expect(isRecord(result) && result["account_id"] === claims["iss"], "the account is not the token's.");
}

async function showRefusal(stack: Stack): Promise<void> {
  title("3. A caller without a grant is refused");
  show("Who called", `${arnOf(stack, "role/intern")}, a role that calls its session "billing-worker"`);
  const refusal: unknown = await tokensFor(stack, "role/intern")().catch((error: unknown) => error);
  expect(refusal instanceof TokenError, "the intern got a token.");
  expect(refusal.code === "access_denied", `the intern was refused with ${refusal.code}.`);
  show("What it was told", `${refusal.status ?? ""} ${refusal.code}: ${refusal.message}`);
}

function showAudit(stack: Stack): void {
  title("4. The audit log has one line for each request (shown without metrics)");
  const records = auditRecords(stack);
  for (const record of records) show(record.outcome, withoutMetrics(record));
  const outcomes = records.map(({ outcome, reason }) => `${outcome} ${reason}`).join(", ");
  expect(records.length === 2 && outcomes.includes("access_denied"), `the audit records are: ${outcomes}.`);
}

async function showMethods(stack: Stack): Promise<void> {
  title("5. The vendor calls a method for a caller that gets no token");
  const call = createMethodCaller({
    url: stack.url,
    serviceAccount: SERVICE_ACCOUNT,
    region: "us-east-1",
    credentials: identityOf(stack, "role/dialer"),
  });
  show("Who called", `${arnOf(stack, "role/dialer")}, whose grant lists methods and gives no token`);
  const { result } = await call("StartScenarios", { rule_id: 1 });
  show("StartScenarios", `${String(result)}, Voximplant's own answer to the vendor's call`);
  expect(result === 1, "StartScenarios was not called.");
  const refusal: unknown = await call("CreateKey").catch((error: unknown) => error);
  expect(refusal instanceof TokenError && refusal.code === "not_authorized", "CreateKey was not refused.");
  show(
    "CreateKey",
    `${refusal.status ?? ""} ${refusal.code}: the gateway refuses, because the role's IAM policy ` +
      "does not allow this path; voxtoken admin iam-policy prints such policies",
  );
}

async function showRotation(stack: Stack, before: TokenProvider): Promise<void> {
  title("6. The key is rotated without an interruption");
  const secret = stack.policy.serviceAccounts.find(({ name }) => name === SERVICE_ACCOUNT)?.secret ?? "";
  await rotate(stack, secret);
  const after = tokensFor(stack, "role/billing-worker");
  const [old, fresh] = [decode((await before()).accessToken), decode((await after()).accessToken)];
  show("Signed by, before", old.header["kid"]);
  show("Signed by, after", fresh.header["kid"]);
  expect(old.header["kid"] !== fresh.header["kid"], "the key is the old one.");
  for (const getToken of [before, after]) {
    await callApi(getToken, "GetAccountInfo", {}, { apiUrl: stack.managementApi.apiUrl });
  }
  show("Accepted", "both tokens: the old key is kept until its last token has expired");
}

async function showStranger(stack: Stack, getToken: TokenProvider): Promise<void> {
  title("7. Someone uses a token to create a permanent key; reconciliation finds it");
  const parameters = { key_name: "backup", description: "not made by rotation" };
  const { result } = await callApi(getToken, "CreateKey", parameters, { apiUrl: stack.managementApi.apiUrl });
  expect(isRecord(result), "CreateKey answered without a key.");
  show("CreateKey made", result["key_id"]);
  const answer = await stack.reconcile();
  const findings = isRecord(answer) && Array.isArray(answer["findings"]) ? answer["findings"] : [];
  const found = findings.filter(isRecord).find(({ reason }) => reason === "unknown_key");
  expect(found !== undefined, "reconciliation did not find the key.");
  show("Reported", `${String(found["reason"])}: ${String(found["detail"])}`);
}

/** Starts a rotation, as Secrets Manager's schedule would. */
async function rotate({ secretsUrl, secretsManager }: Stack, secret: string): Promise<void> {
  const response = await fetch(secretsUrl, {
    method: "POST",
    headers: {
      "Content-Type": "application/x-amz-json-1.1",
      "X-Amz-Target": "secretsmanager.RotateSecret",
    },
    body: JSON.stringify({ SecretId: secret, ClientRequestToken: randomUUID() }),
  });
  expect(response.ok, `RotateSecret answered ${response.status}.`);
  await secretsManager?.rotationsSettled();
}

function identityOf({ identities }: Stack, role: string) {
  const identity = identities.find(({ userArn }) => userArn.includes(`:assumed-${role}/`));
  expect(identity !== undefined, `local/identities.json has no session of the ${role}.`);
  return identity;
}

function arnOf(stack: Stack, role: string): string {
  return identityOf(stack, role).userArn;
}

/** The token provider of a program with that role: see docs/clients.md. */
function tokensFor(stack: Stack, role: string): TokenProvider {
  return createTokenProvider({
    url: stack.url,
    serviceAccount: SERVICE_ACCOUNT,
    region: "us-east-1",
    credentials: identityOf(stack, role),
  });
}

function decode(token: string): { header: Record<string, unknown>; claims: Record<string, unknown> } {
  const [header, claims] = token
    .split(".")
    .slice(0, 2)
    .map((part): unknown => JSON.parse(Buffer.from(part, "base64url").toString("utf8")));
  expect(isRecord(header) && isRecord(claims), "the token is not a JWT.");
  return { header, claims };
}

/** The records of vend-token: no other function has been called yet. */
function auditRecords({ lines }: Stack): AuditRecord[] {
  const documents = lines.filter((line) => line.startsWith("{")).map((line): unknown => JSON.parse(line));
  return documents.filter(isAuditRecord);
}

/**
 * The name of a metric begins with a capital letter. The member that describes the metrics is
 * `_aws`.
 */
function withoutMetrics(record: AuditRecord): object {
  return Object.fromEntries(Object.entries(record).filter(([name]) => /^[a-z]/.test(name)));
}

/** A line with type "audit" has the fields of the function's AuditRecord. */
function isAuditRecord(value: unknown): value is AuditRecord {
  return isRecord(value) && value["type"] === "audit";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function title(text: string): void {
  console.log(`\n${pc.bold(text)}`);
}

/** A text that is too long for a line of 80 columns is wrapped below its label. */
function show(label: string, value: unknown): void {
  const text = typeof value === "string" ? value : JSON.stringify(value, undefined, 2);
  const isLong = typeof value === "string" && label.length + text.length > 76;
  const shown = isLong ? `\n${text}`.replace(/([^\n]{1,76})(?: |$)/g, "  $1\n").trimEnd() : ` ${text}`;
  console.log(`  ${pc.dim(`${label}:`)}${shown.replaceAll("\n", "\n  ")}`);
}
