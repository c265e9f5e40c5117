import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { knownMethods } from "../../lib/grants/known-methods.ts";
import { coversMethods, isSensitive, matchesMethod } from "../../lib/grants/methods.ts";

describe("a method pattern", () => {
  it.each([
    ["StartScenarios", "StartScenarios", true],
    ["StartScenarios", "startscenarios", false],
    ["StartScenarios", "StartScenariosNow", false],
    ["Scenarios", "StartScenarios", false],
    ["GetCall*", "GetCallHistory", true],
    ["GetCall*", "GetCall", true],
    ["GetCall*", "ForgetCall", false],
    ["GetCall?", "GetCalls", true],
    ["GetCall?", "GetCall", false],
    ["*", "StartScenarios", true],
    ["*", "CreateKey", false],
    ["*", "createkey", false],
    ["Create*", "CREATEKEY", false],
    ["CreateKe?", "CreateKey", false],
    ["*Logon*", "Logon", false],
    ["CreateKey", "CreateKey", true],
    ["CreateKey", "createKey", false],
  ])("%s matches %s: %s", (pattern, method, expected) => {
    expect(matchesMethod(pattern, method)).toBe(expected);
  });

  const name = fc.stringMatching(/^[ABab]{1,4}$/);
  const pattern = fc.stringMatching(/^[ABab*?]{1,4}$/);

  it("covers another one only if it matches every name that the other one matches", () => {
    const known = fc.constantFrom(...knownMethods);
    const patterns = fc.oneof(
      pattern,
      known,
      known.map((method) => `${method.slice(0, 4)}*`),
    );
    fc.assert(
      fc.property(patterns, patterns, fc.oneof(name, known), (wide, narrow, method) => {
        if (coversMethods(wide, narrow) && matchesMethod(narrow, method)) {
          expect(matchesMethod(wide, method)).toBe(true);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it("never matches a sensitive method by a wildcard", () => {
    const sensitive = fc.constantFrom(...knownMethods.filter(isSensitive));
    fc.assert(
      fc.property(pattern, sensitive, (wildcard, method) => {
        expect(matchesMethod(wildcard, method)).toBe(false);
      }),
    );
  });
});

describe("the known methods", () => {
  it("include every method of the official client", () => {
    const client = createRequire(import.meta.url).resolve("@voximplant/apiclient-nodejs");
    const calls = readFileSync(client, "utf8").matchAll(/makeRequest\('(\w+)'/g);
    const names = [...new Set([...calls].map(([, method = ""]) => method))];
    expect(names.length).toBeGreaterThan(150);
    expect(names.filter((method) => !knownMethods.includes(method))).toEqual([]);
  });

  it("are sensitive where their name says that they change keys, roles, users or credentials", () => {
    const suspicious =
      /^(Add|Create|Set|Update|Del|Delete|Remove|Attach).*(Key|Roles?|User|Credential|Secret|Account)(Info)?$/;
    const unmarked = knownMethods.filter(
      (method) => suspicious.test(method) && !method.includes("KeyValueItem") && !isSensitive(method),
    );
    expect(unmarked).toEqual([]);
  });
});
