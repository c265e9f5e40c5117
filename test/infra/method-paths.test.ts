import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { matchesGlob } from "../../lib/grants/arn-like.ts";
import { METHOD_PATTERN } from "../../lib/grants/methods.ts";
import { methodPath, routes, tokenPath } from "../../lib/http/wire.ts";
import { callerPolicy } from "../../lib/operator/iam-policy.ts";
import { callers, passage, type PathCaller, requests } from "./method-paths.ts";

const caller = (name: string): PathCaller => {
  const found = callers.find((one) => one.name.startsWith(name));
  if (found === undefined) throw new Error(`no caller ${name}`);
  return found;
};

/** The paths that a caller gets through to, to its end. */
async function reached(one: PathCaller): Promise<string[]> {
  const passages = await Promise.all(requests.map((request) => passage(one, request)));
  return requests.filter((_, index) => passages[index] === "yes").map(({ path }) => path);
}

const LIST = "/v1/service-accounts";
const startScenarios = methodPath("outbound-calls", "StartScenarios");

describe("a caller with the IAM policy of one method", () => {
  it.each(["`StartScenarios`, the API's account", "`StartScenarios`, another account"])(
    "has that one called, and nothing else: %s",
    async (name) => {
      expect(await reached(caller(name))).toEqual([startScenarios, LIST]);
    },
  );

  it("is stopped by API Gateway, before the function, at every other path", async () => {
    const others = requests.filter(({ path }) => ![startScenarios, LIST].includes(path));
    for (const request of others) expect(await passage(caller("`StartScenarios`"), request)).toBe("–");
  });

  it("reaches nothing from an account that the grants do not name", async () => {
    expect(await reached(caller("the same IAM policy"))).toEqual([]);
  });
});

describe("a wildcard in a method", () => {
  it("passes IAM for a method that returns a secret, and the grant refuses it", async () => {
    const request = requests.find(({ path }) => path.endsWith("/GetSecretValue"));
    if (request === undefined) throw new Error("no request");
    expect(await passage(caller("`Get*`"), request)).toBe("grant refuses");
    expect(await reached(caller("`Get*`"))).toEqual([methodPath("outbound-calls", "GetCallHistory"), LIST]);
  });

  // IAM's wildcards match slashes too, and the other parts of the ARN may be wildcards as well.
  const name = fc.stringMatching(/^[a-z0-9-]{1,12}$/);
  const pattern = fc.stringMatching(/^[A-Za-z*?]{1,12}$/);
  const segment = fc.stringMatching(/^[A-Za-z0-9_.~%-]{1,12}$/);
  const api = fc.constantFrom(
    "arn:aws:execute-api:us-east-1:999988887777:a1b2c3d4e5/prod",
    "arn:aws:execute-api:*:*:*/*",
  );

  it("reaches no other route and no other service account", () => {
    fc.assert(
      fc.property(name, name, pattern, segment, api, (own, other, method, called, arn) => {
        fc.pre(own !== other);
        expect(method).toMatch(METHOD_PATTERN);
        const entitlement = { name: own, childAccountIds: [], methods: [method] };
        const [statement] = callerPolicy(arn, [entitlement]).Statement;
        const [resource = ""] = statement?.Resource ?? [];
        const paths = [
          `POST${tokenPath(own)}`,
          `POST${tokenPath(other)}`,
          `POST${methodPath(other, called)}`,
          `GET${routes.listEntitlements.path}`,
        ];
        for (const path of paths) {
          const asked = `arn:aws:execute-api:us-east-1:999988887777:a1b2c3d4e5/prod/${path}`;
          expect([path, matchesGlob(resource, asked)]).toEqual([path, false]);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("reaches the methods that it is meant for", () => {
    const entitlement = { name: "calls", childAccountIds: [], methods: ["GetCall*"] };
    const [statement] = callerPolicy("arn:aws:execute-api:*:*:*/*", [entitlement]).Statement;
    const asked = `arn:aws:execute-api:us-east-1:999988887777:a1b2c3d4e5/prod/POST${methodPath("calls", "GetCallHistory")}`;
    expect(matchesGlob(statement?.Resource[0] ?? "", asked)).toBe(true);
  });
});
