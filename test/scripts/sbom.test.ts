import { describe, expect, it } from "vitest";
import { billOfMaterials } from "../../scripts/sbom.ts";

const zod = { folder: "node_modules/zod", name: "zod", version: "4.6.7", license: "MIT", bytes: 1 };
const core = { ...zod, folder: "node_modules/@smithy/core", name: "@smithy/core", version: "3.41.0" };
const integrity = `sha512-${Buffer.from("hash").toString("base64")}`;
const lock = {
  packages: { "node_modules/zod": { integrity }, "node_modules/@smithy/core": { integrity } },
};
const service = { name: "voximplant-token-vendor", version: "1.2.3" };
const functions = new Map([
  ["vend-token", [zod, core]],
  ["rotate-key", [core]],
]);

describe("the bill of materials", () => {
  it("has each package once, with its purl, licence, hash and zips", () => {
    expect(billOfMaterials(service, functions, lock)).toEqual({
      $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
      bomFormat: "CycloneDX",
      specVersion: "1.6",
      version: 1,
      metadata: {
        component: { type: "application", "bom-ref": service.name, ...service },
      },
      components: [
        {
          type: "library",
          "bom-ref": "pkg:npm/zod@4.6.7",
          name: "zod",
          version: "4.6.7",
          purl: "pkg:npm/zod@4.6.7",
          licenses: [{ expression: "MIT" }],
          hashes: [{ alg: "SHA-512", content: "68617368" }],
          properties: [{ name: "zip", value: "vend-token.zip" }],
        },
        expect.objectContaining({
          purl: "pkg:npm/%40smithy/core@3.41.0",
          properties: [
            { name: "zip", value: "vend-token.zip" },
            { name: "zip", value: "rotate-key.zip" },
          ],
        }),
      ],
    });
  });

  it("is refused if the lock file does not know a package", () => {
    expect(() => billOfMaterials(service, functions, { packages: {} })).toThrow(
      "package-lock.json has no sha512 of node_modules/zod",
    );
  });
});
