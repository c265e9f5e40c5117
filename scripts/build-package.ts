/**
 * Builds what npm publishes, into dist/client and dist/cli.
 *
 *     tsx scripts/build-package.ts [--no-types]
 *
 * `npm ci` runs it without types (`prepare`), so that `npx voxtoken` works in a fresh clone. `npm pack` runs it with types
 * (`prepack`), and then without (`prepare`): the second run leaves the types of the first alone.
 */
import { bundlePackage, emitTypes } from "./bundle-package.ts";

await bundlePackage();
if (!process.argv.includes("--no-types")) emitTypes();
