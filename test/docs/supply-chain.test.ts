import { format } from "prettier";
import { describe, expect, inject, it } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import type { BundledPackage } from "../../scripts/bundled-packages.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** What esbuild has put into the bundles of this run: test/set-up.ts. */
    bundledPackages: {
      readonly functions: readonly BundledPackage[];
      readonly npmPackage: readonly BundledPackage[];
    };
  }
}

/** Why each package that runs in production is there, and who maintains it. */
const reasons: readonly (readonly [packages: RegExp, maintainer: string, reason: string])[] = [
  [
    /^@aws-sdk\/client-secrets-manager$/,
    "AWS",
    "reads and writes the secrets; its retries, endpoints and errors are AWS's own",
  ],
  [
    /^@aws-sdk\/client-lambda$/,
    "AWS",
    "`reconcile-keys` makes containers drop a revoked key; `voxtoken admin` invokes it",
  ],
  [
    /^@aws-sdk\/credential-provider-(?:node|env|ini)$/,
    "AWS",
    "finds AWS credentials in the order of the AWS CLI",
  ],
  [/^(?:@aws-sdk\/(?:core|types)|@aws\/lambda-invoke-store)$/, "AWS", "parts of the AWS SDK's clients"],
  [/^@smithy\//, "AWS", "signing (SigV4), transport, retries and serialisation of the AWS SDK"],
  [/^jose$/, "Filip Skokan", "signs and verifies tokens by WebCrypto; no dependencies"],
  [
    /^zod$/,
    "Colin McDonnell",
    "one parser at each boundary, and the type that follows from it; no dependencies",
  ],
  [/^yaml$/, "Eemeli Aro", "reads grants.yml with the place of each value, for messages; no dependencies"],
  [/^commander$/, "the Commander.js team", "the arguments and the help of the command line; no dependencies"],
  [/^fastest-levenshtein$/, "Kasper Unn Weihe", "“did you mean …?”; no dependencies"],
  [/^picocolors$/, "Alexey Raspopov", "colours on a terminal; no dependencies"],
  [/^undici$/, "the Node.js project", "requests of the command line through a proxy; no dependencies"],
];

const { functions, npmPackage } = inject("bundledPackages");
const dependencies = Object.keys(packageJson.dependencies);
const names = [...new Set([...functions, ...npmPackage].map(({ name }) => name).concat(dependencies))].sort();
const reasonFor = (name: string) => reasons.find(([pattern]) => pattern.test(name));

describe("docs/supply-chain.md", () => {
  it.each(names)("says why %s is there", (name) => {
    expect(reasonFor(name)).toBeDefined();
  });

  it("says nothing of a package that is not there", () => {
    expect(reasons.filter(([pattern]) => !names.some((name) => pattern.test(name)))).toEqual([]);
  });

  it("is the page of today (if not: npx vitest run test/docs/supply-chain.test.ts -u)", async () => {
    const text = await format(page(), { parser: "markdown", printWidth: 100, proseWrap: "preserve" });
    await expect(text).toMatchFileSnapshot("../../docs/supply-chain.md");
  });
});

/** The largest share that a package has in one of these bundles, in KB of minified code. */
function kilobytes(name: string, packages: readonly BundledPackage[]): string {
  const sizes = packages.filter((one) => one.name === name).map(({ bytes }) => bytes);
  return sizes.length === 0 ? "–" : Math.max(1, Math.round(Math.max(...sizes) / 1024)).toString();
}

function page(): string {
  const rows = names.map((name) => {
    const [, maintainer = "", reason = ""] = reasonFor(name) ?? [];
    const inPackage = dependencies.includes(name) ? "installed" : kilobytes(name, npmPackage);
    return `| \`${name}\` | ${kilobytes(name, functions)} | ${inPackage} | ${maintainer} | ${reason} |`;
  });
  return `# Supply chain

## Verify a release

A release has the zip of each function (with the grants.yml of its commit), the npm package, a bill of
materials, and \`SHA256SUMS\`. The release workflow attests all of them:

\`\`\`sh
sha256sum --check SHA256SUMS
gh attestation verify vend-token.zip --repo OWNER/REPOSITORY
\`\`\`

In a private repository, GitHub keeps attestations only on the plan Enterprise Cloud. On Free, Pro
and Team, the attestation fails, and the release is not made. Remove that step from release.yml
there.

The same commit gives the same bytes. To check that without trust in the workflow, build it yourself
with the same version of Node and npm, in a clone made with umask 022 (\`npm pack\` keeps modes):

\`\`\`sh
git checkout TAG && npm ci
npm run verify-release -- FOLDER_OF_THE_RELEASE
\`\`\`

\`npm run release -- FOLDER\` builds such a folder. If your grants.yml names secrets by \`\${stage}\`, add
\`--stage STAGE\` to both commands (default: \`prod\`).

\`sbom.cdx.json\` is a CycloneDX 1.6 bill of materials. It lists the npm packages whose code is in the
zips, taken from the bundler, with the hash of each package from package-lock.json.

## Dependencies that run in production

The functions and the command line are bundles. They hold no other package than those below.
“installed” means that the npm package has it as a dependency, so that you can update it without a
release here. Sizes are KB of minified code.

| package | in a function | in the npm package | maintained by | why |
| --- | ---: | ---: | --- | --- |
${rows.join("\n")}

A test fails if a bundle has a package without a reason here. New dependencies of a pull request are
checked for known vulnerabilities, and CodeQL checks the code. Workflows name every action by its
commit.

In a private repository, CodeQL and the check of new dependencies need GitHub Code Security, which
only organizations on the plans Team and Enterprise Cloud can buy. Without it, remove the jobs
\`codeql\` and \`dependencies\` from security.yml.
`;
}
