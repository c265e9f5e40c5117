/**
 * Measures what a token, a start and an installation cost, and writes docs/performance.md.
 *
 *   npm run bench             both versions of Node, some minutes
 *   npm run bench -- --quick  this Node alone, within a minute; prints, and writes nothing
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { format } from "prettier";
import { bundleFunctions } from "../scripts/bundle.ts";
import { bundlePackage } from "../scripts/bundle-package.ts";
import { loadPolicy } from "../scripts/load-policy.ts";
import { findNode } from "../test/e2e/node-runtime.ts";
import { measureCalls } from "./calls.ts";
import { benchGrants } from "./grants.ts";
import { measureInstallation } from "./installation.ts";
import { asMarkdown, asSvg, asText } from "./report.ts";
import type { Measured } from "./rows.ts";
import { cleanEnvironment, startSecretServer } from "./secret.ts";
import { measureStarts } from "./starts.ts";

const quick = process.argv.includes("--quick");
const root = resolve(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "bench-"));
// First: V8 slows the matcher down once it has seen policies of other shapes.
const decisions = benchGrants();
const server = await startSecretServer();
try {
  await bundlePackage();
  await bundleFunctions(await loadPolicy(join(root, "local", "grants.yml")), folder);
  const bundle = join(folder, "vend-token", "index.mjs");
  const common: Measured = {
    bundle: gzipSync(readFileSync(bundle), { level: 9 }).length / 1024,
    ...(quick ? {} : await measureInstallation()),
  };

  const own = Number(process.versions.node.split(".")[0]);
  const measurements = new Map<number, Measured>();
  for (const major of quick ? [own] : [...new Set([own, 24])]) {
    const node = await findNode(major, { skip: reportMissing });
    console.error(`Measuring with Node ${major} …`);
    const env = cleanEnvironment(server, mkdtempSync(join(folder, "home-")));
    const rounds = quick ? 7 : 31;
    measurements.set(major, {
      ...common,
      ...(await measureStarts({ node, bundle, secretUrl: server.url, env, rounds })),
      ...(await measureCalls({ node, bundle, env, rounds })),
    });
  }

  console.log(asText(measurements));
  for (const { policy, granted, refused } of decisions) {
    const share = (100 * Math.max(granted, refused)).toFixed(2);
    console.log(`a decision, ${policy}: ${share} % of crypto.sign`);
  }
  if (!quick) await write(measurements);
} finally {
  await server.close();
  rmSync(folder, { recursive: true });
}

async function write(measurements: ReadonlyMap<number, Measured>): Promise<void> {
  const page = join(root, "docs", "performance.md");
  // What people have written about the numbers stays.
  const earlier = readFileSync(page, "utf8");
  const notes = earlier.slice(earlier.indexOf("\n## ") + 1);
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], {
    cwd: root,
    encoding: "utf8",
  }).trim();
  const [cpu] = cpus();
  const machine = `${cpus().length} cores of ${cpu?.model ?? "unknown make"}`;
  const date = new Date().toISOString().slice(0, 10);
  const text = asMarkdown(measurements, { date, commit, machine }, notes);
  writeFileSync(page, await format(text, { parser: "markdown", printWidth: 100, proseWrap: "always" }));
  const [first] = measurements.values();
  if (first) writeFileSync(join(root, "docs", "performance.svg"), asSvg(first));
  console.error("docs/performance.md and docs/performance.svg are written.");
}

function reportMissing(why?: string | boolean): never {
  throw new Error(String(why));
}
