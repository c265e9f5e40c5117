/**
 * serverless.yml includes this file with `${file(infra/serverless.cjs):name}`. It is CommonJS
 * because osls loads it with `require`. It collects the parameters and calls the TypeScript code.
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
    // osls prints a stack trace if the error has one. The message alone says what is wrong.
    if (error instanceof DeploymentError || error instanceof InvalidGrantsError) delete error.stack;
    throw error;
  }
};
