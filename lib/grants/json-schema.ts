import { z } from "zod";
import { grantsFile } from "./schema.ts";

/**
 * grants.schema.json, by which editors complete and check a grants file. It knows the shape alone: that names exist and
 * principals do not collide is for `voxtoken admin lint`.
 */
export function grantsJsonSchema(): object {
  // Draft 7 is what the YAML extensions of editors understand best.
  const { $schema, ...schema } = z.toJSONSchema(grantsFile, { target: "draft-7", io: "input" });
  return { $schema, title: "grants.yml of voximplant-token-vendor", ...schema };
}
