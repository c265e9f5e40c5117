import { describe, expect, it } from "vitest";
import identities from "../../../local/identities.json" with { type: "json" };
import { parseIdentities } from "../../../local/gateway/identity.ts";
import { checkPolicy } from "../../../local/gateway/policy.ts";
import { startGateway } from "../../../local/gateway/server.ts";
import { send, smithy } from "../signers.ts";

const api = { region: "us-east-1", accountId: "111122223333", apiId: "a1b2c3d4e5", stage: "local" };
const methods = "/v1/service-accounts/outbound-calls/methods";
const list = "/v1/service-accounts";

function dialer(invoke: readonly string[] | undefined) {
  const [identity] = parseIdentities(
    JSON.stringify([{ ...identities.find(({ userArn }) => userArn.includes("/dialer/")), invoke }]),
    "identities.json",
  );
  if (identity === undefined) throw new Error("no dialer");
  return identity;
}

describe("the IAM policy of a caller of the local gateway", () => {
  it.each<[string, readonly string[] | undefined, string]>([
    ["everything, if there is no list", undefined, "/v1/service-accounts/x/token"],
    ["the exact path", [`POST${methods}/StartScenarios`], `${methods}/StartScenarios`],
    ["every HTTP method, by a *", ["*/v1/service-accounts"], list],
    ["any text in place of a *", [`POST${methods}/GetCall*`], `${methods}/GetCallHistory`],
    ["no text in place of a *", [`POST${methods}/GetCall*`], `${methods}/GetCall`],
    ["a slash in place of a *", ["POST/v1/*/token"], "/v1/service-accounts/x/token"],
    ["one character in place of a ?", [`POST${methods}/AddQueu?`], `${methods}/AddQueue`],
    ["everything, if the list has a * alone", ["*"], "/v1/service-accounts/x/token"],
  ])("allows %s", (_, invoke, path) => {
    expect(checkPolicy(dialer(invoke), { method: "POST", path }, api)).toBeUndefined();
  });

  it.each<[string, readonly string[], string]>([
    ["nothing, if the list is empty", [], list],
    ["another HTTP method", [`GET${list}`], list],
    ["a longer path", [`POST${list}`], `${list}/x`],
    ["a shorter path", [`POST${list}/x`], list],
    ["another case", [`POST${methods}/StartScenarios`], `${methods}/startscenarios`],
    ["no character in place of a ?", [`POST${methods}/AddQueu?`], `${methods}/AddQueu`],
    ["another character in place of a dot", [`POST${methods}/a.b`], `${methods}/axb`],
  ])("refuses %s", (_, invoke, path) => {
    expect(checkPolicy(dialer(invoke), { method: "POST", path }, api)).toMatchObject({
      type: "AccessDeniedException",
    });
  });
});

describe("the local gateway", () => {
  it("refuses a signed request outside the policy as API Gateway does, and calls no function", async () => {
    const identity = dialer([`GET${list}`]);
    let invoked = 0;
    const gateway = await startGateway({
      identities: [identity],
      invoke: () => {
        invoked += 1;
        return Promise.resolve({ statusCode: 200, body: "{}" });
      },
    });
    const path = "/v1/service-accounts/outbound-calls/token";
    const refused = await send(await smithy({ identity, url: gateway.url + path }));
    const allowed = await send(await smithy({ identity, url: gateway.url + list, method: "GET" }));
    await gateway.close();
    expect([refused.status, refused.headers.get("x-amzn-errortype")]).toEqual([403, "AccessDeniedException"]);
    expect(await refused.json()).toEqual({
      error: "not_authorized",
      error_description:
        "User: arn:aws:sts::111122223333:assumed-role/dialer/evening-calls is not authorized to perform: " +
        "execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:********3333:a1b2c3d4e5/local/POST" +
        `${path} because no identity-based policy allows the execute-api:Invoke action`,
      request_id: refused.headers.get("x-amzn-requestid"),
    });
    expect([allowed.status, invoked]).toEqual([200, 1]);
  });

  it("verifies the signature before the policy", async () => {
    const identity = dialer([]);
    const gateway = await startGateway({ identities: [identity], invoke: () => Promise.resolve({}) });
    const url = `${gateway.url}${list}`;
    const forged = await smithy({ identity: { ...identity, secretAccessKey: "wrong" }, url, method: "GET" });
    expect((await send(forged)).headers.get("x-amzn-errortype")).toBe("InvalidSignatureException");
    await gateway.close();
  });
});
