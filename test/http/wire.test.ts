import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { gatewayResponses } from "../../infra/gateway-responses.ts";
import { tokenRequestFields } from "../../lib/http/body.ts";
import { matchRoute } from "../../lib/http/route.ts";
import { routes } from "../../lib/http/wire.ts";
import { deployedRoutes } from "../../local/gateway/route.ts";

/** The compiler checks that infra/api.ts deploys each route and knows each field. */

const openApi = parse(readFileSync("docs/openapi.yaml", "utf8")) as {
  readonly paths: Readonly<Record<string, object>>;
  readonly components: { readonly schemas: { readonly TokenRequest: { readonly properties: object } } };
};
const wire = Object.values(routes);
const sorted = (all: readonly { readonly method: string; readonly path: string }[]) =>
  all.map(({ method, path }) => `${method} ${path}`).sort();

describe("each route", () => {
  it("is in docs/openapi.yaml, and no other route is", () => {
    const described = Object.entries(openApi.paths).flatMap(([path, operations]) =>
      Object.keys(operations)
        .filter((name) => name !== "parameters")
        .map((method) => ({ method: method.toUpperCase(), path })),
    );
    expect(sorted(described)).toEqual(sorted(wire));
  });

  it("is in the local gateway, and no other route is", () => {
    const local = deployedRoutes.map(({ method, resource }) => ({ method, path: resource }));
    expect(sorted(local)).toEqual(sorted(wire));
  });

  it.each(Object.entries(routes))("is found by the functions: %s", (name, { method, path }) => {
    const found = matchRoute(method, path.replace(/\{\w+\}/g, "a"));
    const snakeCase = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    expect(found).toMatchObject({ name: snakeCase });
  });
});

describe("each field of a token request", () => {
  it("is in docs/openapi.yaml, and no other field is", () => {
    const { properties } = openApi.components.schemas.TokenRequest;
    expect(Object.keys(properties).sort()).toEqual(tokenRequestFields.toSorted());
  });

  it.each(tokenRequestFields)("is named in API Gateway's answer to an invalid body: %s", (field) => {
    expect(gatewayResponses["BAD_REQUEST_BODY"]?.description).toContain(`${field} (`);
  });
});
