import { describe, expect, it } from "vitest";
import { serviceAccountsFor, wrongAccount } from "../../lib/grants/policy.ts";
import { grant, policy, roleArn, serviceAccount } from "../fakes/policy.ts";

describe("the service accounts of a policy", () => {
  const given = policy(
    grant([roleArn("a")], ["both", "tokens"]),
    grant([roleArn("b")], ["both", "calls"], { methods: ["StartScenarios"] }),
  );
  const ungranted = { ...given, serviceAccounts: [...given.serviceAccounts, serviceAccount("new")] };
  const names = (use: "tokens" | "calls") => serviceAccountsFor(use, ungranted).map(({ name }) => name);

  it("need a key for tokens if a grant of tokens names them", () => {
    expect(names("tokens")).toEqual(["both", "tokens"]);
  });

  it("need a key for calls if a grant of methods names them", () => {
    expect(names("calls")).toEqual(["both", "calls"]);
  });
});

describe("a key of another account", () => {
  const key = { keyId: "key-1", accountId: 7 };

  it.each([undefined, 7])("is not wrong if the policy says %s", (accountId) => {
    expect(wrongAccount(serviceAccount("calls", { ...(accountId && { accountId }) }), key)).toBeUndefined();
  });

  it("is named with both accounts", () => {
    expect(wrongAccount(serviceAccount("calls", { accountId: 8 }), key)).toBe(
      "secret voximplant/calls: key key-1 belongs to Voximplant account 7, but grants.yml says accountId 8 for calls; " +
        "the key is not used",
    );
  });
});
