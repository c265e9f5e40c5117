import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Ajv } from "ajv";
import { expect } from "vitest";

import { metricUnits } from "../../lib/audit/metrics.ts";

interface Kind {
  readonly title: string;
  readonly description: string;
  readonly properties: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly required: readonly string[];
}

export const auditSchema = JSON.parse(
  readFileSync(resolve(import.meta.dirname, "../../docs/audit.schema.json"), "utf8"),
) as { readonly definitions: Readonly<Record<string, Kind>> };

const validate = new Ajv({ formats: { "date-time": true, uuid: true } }).compile(auditSchema);
/** The same line is a metric as well. */
const metrics = ["Deployment", "_aws", ...Object.values(metricUnits).flatMap((units) => Object.keys(units))];
const documented = new Set([
  ...Object.values(auditSchema.definitions).flatMap(({ properties }) => Object.keys(properties)),
  ...metrics,
]);

/** Expects that an audit record is what docs/audit.schema.json says, and has no field beyond it. */
export function expectAuditRecord(record: object): void {
  validate(record);
  expect({ record, errors: validate.errors }).toMatchObject({ errors: null });
  expect(Object.keys(record).filter((name) => !documented.has(name))).toEqual([]);
}
