/**
 * An osls plugin: before anything is packaged it builds the functions from the very grants file that the template is
 * made of, and zips each bundle as the artifact that serverless.yml names for it. So `serverless deploy` alone deploys
 * what stands in the working tree.
 */
const { resolve } = require("node:path");
require("tsx/cjs/api").register();

const { packageBundles } = require("../scripts/package-bundles.ts");

module.exports = class Bundles {
  constructor(serverless) {
    this.hooks = {
      "before:package:createDeploymentArtifacts": () => {
        const { service, serviceDir } = serverless;
        const artifacts = service.getAllFunctions().map((name) => service.getFunction(name).package.artifact);
        return packageBundles(
          resolve(serviceDir, service.custom.grants),
          artifacts.map((artifact) => resolve(serviceDir, artifact)),
        );
      },
    };
  }
};
