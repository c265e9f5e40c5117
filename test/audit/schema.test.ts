import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { format } from "prettier";
import { describe, expect, it } from "vitest";

import { callQueries, queries } from "../../infra/queries.ts";
import { metricOf } from "../../lib/reconciliation/finding.ts";
import { findingRecord, revocationRecord } from "../../lib/reconciliation/report.ts";
import { auditSchema, expectAuditRecord } from "../fakes/audit-schema.ts";

const NOW = Date.UTC(2026, 10, 26);
const parsed = (line: string) => JSON.parse(line) as object;

describe("docs/audit.schema.json", () => {
  it("accepts a finding with every optional field", () => {
    const roles = [{ role_id: 1, role_name: "Owner", inherited: false, parent_role_id: null }];
    const key = { key_id: "k", key_name: "laptop", description: "d", roles } as never;
    const finding = {
      reason: "unknown_key",
      action: "reported",
      serviceAccount: "calls",
      detail: "…",
    } as const;
    expectAuditRecord(parsed(findingRecord({ ...finding, key, accountId: 7654321 }, NOW)));
  });

  it.each([true, false])("accepts a revocation with proved: %s", (proved) => {
    const steps = [{ step: "delete", ok: true, seen: "deleted" }] as never;
    const report = { keyId: "k", steps, proved, withoutKey: ["calls"], leftToDo: [] };
    expectAuditRecord(parsed(revocationRecord("calls", report, NOW)));
  });

  it("lists every reason of a finding, and no other reason", () => {
    expect(auditSchema.definitions["finding"]?.properties["reason"]?.["enum"]).toEqual(Object.keys(metricOf));
  });

  it("rejects a record with an unknown field or an unknown outcome", () => {
    const line = revocationRecord(
      "calls",
      { keyId: "k", steps: [], proved: true, withoutKey: [], leftToDo: [] },
      NOW,
    );
    expect(() => {
      expectAuditRecord({ ...parsed(line), colour: "red" });
    }).toThrow("colour");
    expect(() => {
      expectAuditRecord({ ...parsed(line), outcome: "done" });
    }).toThrow("errors: null");
  });
});

describe("docs/audit.md", () => {
  it("explains every field of the schema and lists every saved query of the stack", async () => {
    const tables = Object.values(auditSchema.definitions).map(
      ({ title, description, properties, required }) => {
        const rows = Object.entries(properties).map(([name, property]) => {
          const values =
            property["enum"] ?? (property["const"] === undefined ? undefined : [property["const"]]);
          const type = Array.isArray(values)
            ? values.map((value) => `\`${String(value)}\``).join(", ")
            : String(property["type"]);
          return `| \`${name}\` | ${required.includes(name) ? "always" : "if known"} | ${type} | ${String(property["description"])} |`;
        });
        return `## ${title}\n\n${description}\n\n| field | present | type or values | meaning |\n| --- | --- | --- | --- |\n${rows.join("\n")}`;
      },
    );
    const listed = (all: Readonly<Record<string, string>>) =>
      Object.entries(all)
        .map(([name, query]) => `- **${name}**: \`${query}\``)
        .join("\n");
    const introduction = await readFile(resolve(import.meta.dirname, "../../docs/audit.md"), "utf8");
    const document = `${introduction.split("## A request")[0] ?? ""}${tables.join("\n\n")}

## Saved queries

The stack saves these in CloudWatch Logs Insights, in a folder with the deployment's name:

${listed(queries)}

If a grant has \`methods\`, "refusals by reason" reads the logs of both functions, and there are
these queries too:

${listed(callQueries)}
`;
    await expect(
      await format(document, { parser: "markdown", printWidth: 100, proseWrap: "always" }),
    ).toMatchFileSnapshot("../../docs/audit.md");
  });
});
