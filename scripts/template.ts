/**
 * Writes the stack as a plain CloudFormation template, for teams that do not deploy with osls. The
 * template and the functions' zips are in one folder, for `aws cloudformation package` and
 * `deploy`.
 *
 *   npm run template -- --stage STAGE --region REGION [--out DIR]
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";

import { parse } from "yaml";
import * as z from "zod";

import { checkParameters, describeDeployment } from "../infra/deployment.ts";
import { declaration, functionResources, provider } from "../infra/functions.ts";
import { functionsOf } from "../infra/names.ts";
import { DeploymentError, parseOptions } from "../infra/options.ts";
import { findSamplePrincipals } from "../infra/sample.ts";
import { InvalidGrantsError, loadPolicy } from "./load-policy.ts";
import { packageBundles } from "./package-bundles.ts";

class UsageError extends Error {
  override readonly name = "UsageError";
}

const usage = "Usage: npm run template -- --stage STAGE --region REGION [--out DIR]";

// An empty parameter, `alarmEmail:`, is null in YAML and means the same as "".
const scalar = z
  .union([z.string(), z.number(), z.boolean(), z.null()])
  .transform((value) => String(value ?? ""));
/**
 * The parts of serverless.yml that are used here. It is the one place for parameters and settings.
 */
const configuration = z.object({
  service: z.string(),
  provider,
  params: z.record(z.string(), z.record(z.string(), scalar).nullable()),
  functions: z.tuple([z.object({ vendToken: declaration })], z.unknown()),
});

try {
  const { stage, region, out } = readArguments();
  const { service, params, functions, ...settings } = readConfiguration(
    await readFile("serverless.yml", "utf8"),
  );
  const values = { ...params["default"], ...params[stage] };
  const variable = Object.entries(values).find(([, value]) => value.includes("${"));
  if (variable !== undefined) {
    throw new DeploymentError(
      `params: ${variable[0]} contains a variable, which only osls resolves: ${variable[1]}`,
    );
  }
  checkParameters(stage, [], Object.keys(values));
  const grants = resolve(values["grants"] ?? "grants.yml");
  const policy = await loadPolicy(grants, stage, (warning) => {
    console.error(warning);
  });
  const sample = findSamplePrincipals(policy);
  if (sample !== undefined) console.error(sample);

  const deployment = { service, stage, region };
  const options = parseOptions(policy, deployment, values);
  const { resources, callFunctions, keyFunctions } = describeDeployment(policy, deployment, values);
  const lambdas = functionResources(
    {
      "vend-token": functions[0].vendToken,
      "call-method": callFunctions.callMethod,
      "rotate-key": keyFunctions.rotateKey,
      "reconcile-keys": keyFunctions.reconcileKeys,
    },
    settings.provider,
    values,
    options,
  );

  const zips = functionsOf(options).map((name) => join(resolve(out), `${name}.zip`));
  await mkdir(resolve(out), { recursive: true });
  await packageBundles(grants, stage, zips);
  const file = join(resolve(out), "template.json");
  const template = {
    AWSTemplateFormatVersion: "2010-09-09",
    Description: `${options.prefix}: short-lived Voximplant tokens for AWS IAM principals`,
    Resources: { ...lambdas, ...resources.Resources },
    Outputs: resources.Outputs,
  };
  await writeFile(file, `${JSON.stringify(template, undefined, 2)}\n`);
  const shown = relative(process.cwd(), file);
  const packaged = join(relative(process.cwd(), resolve(out)), "packaged.yaml");
  console.log(`${shown}, and in the same folder:
${zips.map((zip) => `  ${basename(zip)}`).join("\n")}

Next, with a bucket in ${region}:
  aws cloudformation package --region ${region} --s3-bucket BUCKET \\
    --template-file ${shown} \\
    --output-template-file ${packaged}
  aws cloudformation deploy --region ${region} --s3-bucket BUCKET \\
    --template-file ${packaged} \\
    --stack-name ${options.prefix} \\
    --capabilities CAPABILITY_NAMED_IAM`);
} catch (error) {
  if (!(
    error instanceof InvalidGrantsError ||
    error instanceof DeploymentError ||
    error instanceof UsageError
  ))
    throw error;
  console.error(error.message);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

function readConfiguration(text: string) {
  const parsed = configuration.safeParse(parse(text, { logLevel: "silent" }));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new DeploymentError(`serverless.yml cannot be used:\n  ${problems.join("\n  ")}`);
}

function readArguments() {
  try {
    const { stage, region, out } = parseArgs({
      options: {
        stage: { type: "string" },
        region: { type: "string" },
        out: { type: "string", default: join("dist", "cloudformation") },
      },
    }).values;
    if (stage === undefined || region === undefined) throw new Error("--stage and --region are required");
    return { stage, region, out };
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`, { cause: error });
  }
}
