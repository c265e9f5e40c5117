import { expect, it } from "vitest";
import { findSamplePrincipals } from "../../infra/sample.ts";
import { parseGrants } from "../../lib/grants/parse.ts";
import { sampleGrants } from "./describe.ts";

const policyOf = (text: string) => {
  const parsed = parseGrants(text, "grants.yml");
  if ("problems" in parsed) throw new Error("not valid");
  return parsed.policy;
};

it("findSamplePrincipals names each line of the sample that must be changed before a deployment", () => {
  const problem = findSamplePrincipals(policyOf(sampleGrants));
  expect(problem).toMatch(/grants\.yml:\d+: arn:aws:iam::111122223333:role\/billing-worker/);
  expect(problem).toContain("Put the principals of your own account there.");
});

it("accepts principals of another account", () => {
  expect(
    findSamplePrincipals(policyOf(sampleGrants.replaceAll("111122223333", "123456789012"))),
  ).toBeUndefined();
});
