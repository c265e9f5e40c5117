/**
 * An osls plugin. Before packaging, it builds the functions with the same grants file as the
 * template, and zips each bundle as the artifact that serverless.yml names for it. So `serverless
 * deploy` always deploys the present working tree.
 *
 * It refuses to deploy the sample's grants.
 */
const { resolve } = require("node:path");
require("tsx/cjs/api").register();

const { packageBundles } = require("../scripts/package-bundles.ts");
const { loadPolicy } = require("../scripts/load-policy.ts");
const { findSamplePrincipals } = require("./sample.ts");

module.exports = class Bundles {
  constructor(serverless, _options, { log }) {
    const grantsFile = () => resolve(serverless.serviceDir, serverless.service.custom.grants);
    const checkPrincipals = async (refuse) => {
      const problem = findSamplePrincipals(await loadPolicy(grantsFile()));
      if (problem === undefined) return;
      if (refuse) throw new serverless.classes.Error(problem, "SAMPLE_GRANTS");
      log.warning(problem);
    };
    this.hooks = {
      "before:package:cleanup": () => checkPrincipals(serverless.processedInput.commands[0] === "deploy"),
      "before:deploy:function:initialize": () => checkPrincipals(true),
      "before:package:createDeploymentArtifacts": () => {
        const { service, serviceDir } = serverless;
        const artifacts = service.getAllFunctions().map((name) => service.getFunction(name).package.artifact);
        return packageBundles(
          grantsFile(),
          serverless.getProvider("aws").getStage(),
          artifacts.map((artifact) => resolve(serviceDir, artifact)),
        );
      },
    };
  }
};
