import { readFile } from "node:fs/promises";
import { Ajv } from "ajv";
import { format } from "prettier";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { grantsJsonSchema } from "../../lib/grants/schema.ts";

const validate = new Ajv({ strict: true, keywords: ["markdownDescription"] }).compile(grantsJsonSchema());

it("grants.schema.json is the schema of today (if not: npx vitest run test/grants/json-schema.test.ts -u)", async () => {
  const text = await format(JSON.stringify(grantsJsonSchema()), { parser: "json", printWidth: 110 });
  await expect(text).toMatchFileSnapshot("../../grants.schema.json");
});

it("editors accept the sample", async () => {
  const sample = parse(await readFile(new URL("../../grants.yml", import.meta.url), "utf8")) as unknown;
  expect([validate(sample), validate.errors]).toEqual([true, null]);
});

const account = { secret: "a" };
const grant = { principals: ["arn:aws:iam::111122223333:role/x"], serviceAccounts: ["a"] };

it.each([
  [
    "a whole grant",
    { ...grant, maxTtlSeconds: 30, childAccountIds: [1], principalOrgId: "o-a1b2c3d4e5" },
    true,
  ],
  [
    "a pinned principal",
    { ...grant, principals: [{ arn: grant.principals[0], uniqueId: "AROAEXAMPLEID" }] },
    true,
  ],
  ["an unknown field", { ...grant, ttl: 30 }, false],
  ["no principals", { serviceAccounts: ["a"] }, false],
  ["a bare wildcard", { ...grant, principals: ["*"] }, false],
  ["a session", { ...grant, principals: ["arn:aws:sts::111122223333:assumed-role/x/y"] }, false],
  ["a lifetime too short", { ...grant, maxTtlSeconds: 29 }, false],
  ["a lifetime too long", { ...grant, maxTtlSeconds: 3601 }, false],
  ["text for a child account", { ...grant, childAccountIds: ["1"] }, false],
])("editors see %s", (_, candidate, valid) => {
  expect(validate({ serviceAccounts: { a: account }, grants: [candidate] })).toBe(valid);
});

it.each([
  ["a Voximplant account", { accountId: 1234567 }, true],
  ["an account id of 0", { accountId: 0 }, false],
  ["text for an account id", { accountId: "1234567" }, false],
  ["a fraction for an account id", { accountId: 1.5 }, false],
])("editors see %s on a service account", (_, fields, valid) => {
  expect(validate({ serviceAccounts: { a: { ...account, ...fields } }, grants: [] })).toBe(valid);
});

it("every field has a description to show", () => {
  const undescribed: string[] = [];
  const visit = (schema: unknown, path: string): void => {
    if (typeof schema !== "object" || schema === null) return;
    for (const [key, value] of Object.entries(schema)) {
      if (key === "properties") {
        for (const [name, field] of Object.entries(value as Record<string, { description?: string }>)) {
          if (!field.description) undescribed.push(`${path}/${name}`);
        }
      }
      visit(value, `${path}/${key}`);
    }
  };
  visit(grantsJsonSchema(), "");
  expect(undescribed).toEqual([]);
});
