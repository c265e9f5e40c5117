/**
 * Builds the published package into dist/client and dist/cli. `npm ci` runs it (`postprepare`), so
 * that `npx voxtoken` works in a fresh clone. `npm pack` (`prepack`) and an installation from a git
 * url run it too. It must not be the script `prepare`: npm prints a warning when it installs a
 * tarball whose package.json has one.
 *
 *     tsx scripts/build-package.ts
 */
import { bundlePackage, emitTypes } from "./bundle-package.ts";

await bundlePackage();
emitTypes();
