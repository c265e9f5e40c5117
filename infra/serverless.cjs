/**
 * What serverless.yml includes by `${file(infra/serverless.cjs):name}`. CommonJS, because osls
 * requires such a file; it collects the parameters and hands over to TypeScript.
 */
require("tsx/cjs/api").register();

const { InvalidGrantsError, loadPolicy } = require("../scripts/load-policy.ts");
const { checkParameters, describeDeployment } = require("./deployment.ts");
const { DeploymentError, parameterNames } = require("./options.ts");

module.exports = async ({ options, resolveConfigurationProperty, resolveVariable }) => {
  const values = {};
  for (const name of parameterNames) values[name] = String((await resolveVariable(`param:${name}`)) ?? "");
  const params = await resolveConfigurationProperty(["params"]);
  const deployment = {
    service: await resolveVariable("self:service"),
    stage: await resolveVariable("sls:stage"),
    region: await resolveVariable("self:provider.region"),
  };
  try {
    const written = { ...params.default, ...params[deployment.stage] };
    checkParameters(deployment.stage, options.param ?? [], Object.keys(written));
    return describeDeployment(await loadPolicy(values.grants, deployment.stage), deployment, values);
  } catch (error) {
    // osls prints the stack where there is one. What is wrong with a grant or a parameter stands in
    // the message.
    if (error instanceof DeploymentError || error instanceof InvalidGrantsError) delete error.stack;
    throw error;
  }
};
