/**
 * What serverless.yml includes by `${file(infra/serverless.cjs):name}`. CommonJS, because osls
 * requires such a file; it collects the parameters and hands over to TypeScript.
 */
require("tsx/cjs/api").register();

const { InvalidGrantsError, loadPolicy } = require("../scripts/load-policy.ts");
const { describeDeployment } = require("./deployment.ts");
const { DeploymentError, parameterNames } = require("./options.ts");

module.exports = async ({ options, resolveVariable }) => {
  const values = {};
  for (const name of parameterNames) values[name] = String(await resolveVariable(`param:${name}`));
  const deployment = {
    service: await resolveVariable("self:service"),
    stage: await resolveVariable("sls:stage"),
    region: await resolveVariable("self:provider.region"),
  };
  try {
    return describeDeployment(
      await loadPolicy(values.grants, deployment.stage),
      deployment,
      values,
      options.param ?? [],
    );
  } catch (error) {
    // osls prints the stack where there is one. What is wrong with a grant or a parameter stands in
    // the message.
    if (error instanceof DeploymentError || error instanceof InvalidGrantsError) delete error.stack;
    throw error;
  }
};
