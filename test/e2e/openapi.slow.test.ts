import { readFile } from "node:fs/promises";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { credentialProvider } from "../../lib/client/credentials.ts";
import { signRequest } from "../../lib/client/sign.ts";
import { ERROR_CODES, type ErrorCode, type ErrorResponse, routes } from "../../lib/http/wire.ts";
import identities from "../../local/identities.json" with { type: "json" };
import { startStack, type Stack } from "../../local/stack.ts";

interface OpenApi {
  readonly paths: Record<string, Record<string, { readonly responses: Record<string, object> }>>;
  readonly components: {
    readonly schemas: {
      readonly ErrorResponse: {
        readonly properties: { readonly error: { readonly enum: readonly ErrorCode[] } };
      };
    };
  };
}

const TOKEN = routes.vendToken.path;
const CALL = routes.callMethod.path;
const LIST = routes.listEntitlements.path;
const description = parse(await readFile("docs/openapi.yaml", "utf8")) as OpenApi;
const ajv = new Ajv2020({ strict: false, allErrors: true });
ajv.addSchema(description, "openapi.yaml");

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.close());

const pointer = (...parts: string[]) =>
  parts.map((part) => part.replace(/~/g, "~0").replace(/\//g, "~1")).join("/");

/** Follows a `$ref` of the description to what it names. */
function resolveRef(value: object): { at: string; value: object } | undefined {
  const { $ref } = value as { $ref?: string };
  if ($ref === undefined) return undefined;
  const found = $ref
    .slice(2)
    .split("/")
    .reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], description);
  return { at: $ref.slice(2), value: found as object };
}

/** Holds a real response against what the description says of its path, method and status. */
async function check(response: Response, path: string, method: string): Promise<void> {
  const operation = description.paths[path]?.[method];
  const described = operation?.responses[response.status];
  if (described === undefined) throw new Error(`${method} ${path} may not answer ${response.status}`);
  const ref = resolveRef(described);
  const at = ref?.at ?? pointer("paths", path, method, "responses", String(response.status));
  const schema = ajv.getSchema(`openapi.yaml#/${at}/content/application~1json/schema`);
  if (schema === undefined) throw new Error(`${at} has no schema`);
  const body: unknown = await response.json();
  expect(schema(body) ? [] : schema.errors).toEqual([]);
  expect(response.headers.get("content-type")).toMatch(/^application\/json/);
  const { headers = {} } = (ref?.value ?? described) as { headers?: Record<string, object> };
  for (const [name, header] of Object.entries(headers)) {
    const { at: headerAt } = resolveRef(header) ?? { at: "" };
    const valid = ajv.getSchema(`openapi.yaml#/${headerAt}/schema`);
    expect(valid?.(response.headers.get(name)), name).toBe(true);
  }
}

async function send(who: string, method: "GET" | "POST", path: string, body = ""): Promise<Response> {
  const identity = identities.find(({ userArn }) => userArn.includes(`/${who}`));
  if (identity === undefined) throw new Error(`no identity ${who}`);
  const url = new URL(stack.url + path);
  const credentials = await credentialProvider(identity, undefined)();
  const headers = await signRequest(
    { method, url, body, headers: body === "" ? {} : { "content-type": "application/json" } },
    { credentials, region: "us-east-1", signingName: "execute-api", date: new Date() },
  );
  return fetch(url, { method, headers, ...(body === "" ? {} : { body }) });
}

describe("docs/openapi.yaml", () => {
  it.each([
    ["a grant", "billing-worker", "/v1/service-accounts/outbound-calls/token", "", 200],
    [
      "a child account",
      "billing-worker",
      "/v1/service-accounts/outbound-calls/token",
      '{"account_id":7654321,"ttl_seconds":60}',
      200,
    ],
    ["an unknown field", "billing-worker", "/v1/service-accounts/outbound-calls/token", '{"ttl":60}', 400],
    ["a body that is not JSON", "billing-worker", "/v1/service-accounts/outbound-calls/token", "ttl=60", 400],
    [
      "a lifetime above the grant's",
      "billing-worker",
      "/v1/service-accounts/outbound-calls/token",
      '{"ttl_seconds":900}',
      400,
    ],
    ["no grant", "intern", "/v1/service-accounts/outbound-calls/token", "", 403],
    ["an unknown service account", "billing-worker", "/v1/service-accounts/nobody/token", "", 403],
  ])("describes the answer to a token request with %s", async (_what, who, path, body, status) => {
    const response = await send(who, "POST", path, body);
    expect(response.status).toBe(status);
    await check(response, TOKEN, "post");
  });

  it.each([
    ["a call", "dialer", "StartScenarios", '{"rule_id":42}', 200],
    ["a wrong parameter", "dialer", "StartScenarios", '{"api_key":"x"}', 400],
    ["a method that is not granted", "dialer", "CreateKey", "{}", 403],
    ["a caller with tokens alone", "billing-worker", "StartScenarios", "{}", 403],
    ["an answer that is too large", "dialer", "LocalLarge", "{}", 502],
  ])("%s", async (_what, who, method, body, status) => {
    const path = CALL.replace("{serviceAccount}", "outbound-calls").replace("{method}", method);
    const response = await send(who, "POST", path, body);
    expect(response.status).toBe(status);
    await check(response, CALL, "post");
  });

  it.each(["billing-worker", "ops/alice", "intern", "dialer"])("the entitlements of %s", async (who) => {
    const response = await send(who, "GET", LIST);
    expect(response.status).toBe(200);
    await check(response, LIST, "get");
  });

  it("describes the gateway's own answer to an unsigned request", async () => {
    const response = await fetch(stack.url + LIST);
    expect(response.status).toBe(403);
    await check(response, LIST, "get");
  });

  it("describes the answer with Retry-After if Secrets Manager fails", async () => {
    const failing = await startStack({ faults: { secrets: () => ({ status: 500, body: "{}" }) } });
    const url = new URL(`${failing.url}/v1/service-accounts/outbound-calls/token`);
    const [identity] = identities;
    if (identity === undefined) throw new Error("no identities");
    const headers = await signRequest(
      { method: "POST", url, body: "", headers: {} },
      { credentials: identity, region: "us-east-1", signingName: "execute-api", date: new Date() },
    );
    const response = await fetch(url, { method: "POST", headers });
    await failing.close();
    expect(response.status).toBe(503);
    await check(response, TOKEN, "post");
  });

  it("lists every error code of the service, and no other code", () => {
    const codes = description.components.schemas.ErrorResponse.properties.error.enum;
    expect([...codes].sort()).toEqual([...ERROR_CODES].sort());
  });

  it("has examples that match its schemas", () => {
    for (const [name, schema] of Object.entries(description.components.schemas)) {
      const { examples = [] } = schema as { examples?: unknown[] };
      for (const example of examples)
        expect(ajv.validate(`openapi.yaml#/components/schemas/${name}`, example), name).toBe(true);
    }
  });

  it("has an example for each error code that matches the schema of its response", () => {
    const shown = new Set<string>();
    const visit = (node: unknown, at: string): void => {
      if (typeof node !== "object" || node === null) return;
      for (const [name, child] of Object.entries(node)) visit(child, `${at}/${pointer(name)}`);
      const { schema, examples } = node as {
        schema?: object;
        examples?: Record<string, { value: ErrorResponse }>;
      };
      if (schema === undefined || examples === undefined) return;
      const valid = ajv.getSchema(`openapi.yaml#${at}/schema`);
      for (const { value } of Object.values(examples)) {
        expect(valid?.(value), `${at}: ${value.error}`).toBe(true);
        shown.add(value.error);
      }
    };
    visit(description, "");
    expect([...shown].sort()).toEqual([...ERROR_CODES].sort());
  });
});
