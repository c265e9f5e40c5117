import { describe, expect, it } from "vitest";

import { matchRoute } from "../../lib/http/route.ts";

describe("the router", () => {
  it("finds the service account of a token request, spelled as it was sent", () => {
    expect(matchRoute("POST", "/v1/service-accounts/outbound-calls/token")).toEqual({
      name: "vend_token",
      serviceAccount: "outbound-calls",
    });
    expect(matchRoute("POST", "/v1/service-accounts/outbound%2Dcalls/token")).toMatchObject({
      serviceAccount: "outbound%2Dcalls",
    });
  });

  it("finds the list of entitlements", () => {
    expect(matchRoute("GET", "/v1/service-accounts")).toEqual({ name: "list_entitlements" });
  });

  it.each([
    ["GET", "/v1/service-accounts/outbound-calls/token", "POST"],
    ["post", "/v1/service-accounts/outbound-calls/token", "POST"],
    ["OPTIONS", "/v1/service-accounts/outbound-calls/token", "POST"],
    ["POST", "/v1/service-accounts", "GET"],
    ["HEAD", "/v1/service-accounts", "GET"],
  ])("answers 405 to %s %s, which takes %s", (method, path, allow) => {
    expect(matchRoute(method, path)).toMatchObject({ reason: "method_not_allowed", allow });
  });

  it.each([
    "",
    "/",
    "/v1",
    "/v1/service-accounts/",
    "/v1/service-accounts/outbound-calls",
    "/v1/service-accounts//token",
    "/v1/service-accounts/a/b/token",
    "/v1/service-accounts/outbound-calls/token/",
    "/v1/service-accounts/outbound-calls/token\n",
    "/x/v1/service-accounts/outbound-calls/token",
    "v1/service-accounts/outbound-calls/token",
    "/V1/service-accounts/outbound-calls/token",
  ])("answers 404 to %j", (path) => {
    expect(matchRoute("POST", path)).toMatchObject({ reason: "not_found" });
  });
});
