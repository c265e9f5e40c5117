/**
 * Builds what npm publishes, into dist/client and dist/cli. `npm ci` runs it (`postprepare`), so
 * that `npx voxtoken` works in a fresh clone; so do `npm pack` (`prepack`) and an installation from
 * a git url. Not by the script `prepare`: npm warns whoever installs a tarball whose package.json
 * has one.
 *
 *     tsx scripts/build-package.ts
 */
import { bundlePackage, emitTypes } from "./bundle-package.ts";

await bundlePackage();
emitTypes();
