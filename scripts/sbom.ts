import type { BundledPackage } from "./bundled-packages.ts";

/** The part of package-lock.json that is used. */
export interface Lock {
  /** By folder: `node_modules/zod`. */
  readonly packages: Readonly<Record<string, { readonly integrity?: string }>>;
}

/**
 * A software bill of materials of the functions' zips: CycloneDX 1.6, as JSON. It lists the npm
 * packages whose code is really in a bundle, not everything that `npm ci` installs. The same input
 * gives the same text: no time, and no random serial number.
 *
 * @param functions the packages in each function, by its name
 * @see https://cyclonedx.org/docs/1.6/json/
 */
export function billOfMaterials(
  { name, version }: { readonly name: string; readonly version: string },
  functions: ReadonlyMap<string, readonly BundledPackage[]>,
  lock: Lock,
): object {
  const packages = new Map([...functions.values()].flat().map((one) => [one.folder, one]));
  const component = (one: BundledPackage) => ({
    type: "library",
    "bom-ref": purl(one),
    name: one.name,
    version: one.version,
    purl: purl(one),
    licenses: [{ expression: one.license }],
    hashes: [sha512(one, lock)],
    properties: [...functions]
      .filter(([, contents]) => contents.some(({ folder }) => folder === one.folder))
      .map(([zip]) => ({ name: "zip", value: `${zip}.zip` })),
  });
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: { component: { type: "application", "bom-ref": name, name, version } },
    components: [...packages.values()].map(component),
  };
}

/** https://github.com/package-url/purl-spec: the `@` of a scope is percent-encoded. */
function purl({ name, version }: BundledPackage): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

/** The hash of the package's tarball, which npm has checked at the installation. */
function sha512({ folder }: BundledPackage, { packages }: Lock) {
  const base64 = /^sha512-(\S+)$/.exec(packages[folder]?.integrity ?? "")?.[1];
  if (base64 === undefined) throw new Error(`package-lock.json has no sha512 of ${folder}`);
  return { alg: "SHA-512", content: Buffer.from(base64, "base64").toString("hex") };
}
