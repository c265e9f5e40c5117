import type { Policy } from "../lib/grants/policy.ts";
import { sub } from "./cloudformation.ts";
import { functionName, functionsOf, lambdaOf, roleOf } from "./names.ts";
import { DeploymentError, type Options, parameterNames, parseOptions } from "./options.ts";
import { tagged } from "./tags.ts";
import { template } from "./template.ts";

/**
 * Refuses parameters on the command line, which a later deployment would not have, and unknown
 * names.
 */
export function checkParameters(
  stage: string,
  onCommandLine: readonly string[],
  inFile: readonly string[],
): void {
  const nameOf = (argument: string) => argument.split("=")[0] ?? "";
  if (onCommandLine.length > 0) {
    throw new DeploymentError(
      `--param ${onCommandLine.map(nameOf).join(", ")}: parameters belong into serverless.yml, below params.${stage}. ` +
        "The next deployment would not have them, and would remove the resources that they create.",
    );
  }
  const unknown = inFile.filter((name) => !parameterNames.includes(name));
  if (unknown.length > 0) {
    throw new DeploymentError(
      `serverless.yml, params: no such parameter: ${unknown.join(", ")}. There are ${parameterNames.join(", ")}.`,
    );
  }
}

/**
 * What serverless.yml includes, for one deployment.
 *
 * @throws DeploymentError on bad parameters, before anything is packaged
 */
export function describeDeployment(
  policy: Policy,
  deployment: { service: string; stage: string; region: string },
  values: Readonly<Record<string, string>>,
) {
  const options = parseOptions(deployment, values);
  return {
    resources: {
      ...template(policy, options),
      // osls merges these into the resources that it creates itself.
      extensions: {
        ...Object.fromEntries(
          functionsOf(options).map((name) => [lambdaOf(name), { Properties: tagged(options) }]),
        ),
        [lambdaOf("vend-token")]: {
          Properties: { ReservedConcurrentExecutions: options.reservedConcurrency, ...tagged(options) },
        },
        ServerlessDeploymentBucket: { Properties: tagged(options) },
      },
    },
    keyFunctions: keyFunctions(options),
  };
}

/** The two functions that rotate and reconcile keys. A secondary region has none. */
function keyFunctions(options: Options) {
  if (options.secondary) return {};
  const common = {
    handler: "index.handler",
    disableLogs: true,
    // Both mostly wait for Secrets Manager and Voximplant.
    memorySize: 256,
  };
  return {
    rotateKey: {
      ...common,
      name: functionName("rotate-key", options),
      description: "Replaces the key of a Voximplant service account; Secrets Manager calls it.",
      // createSecret and finishSecret each wait up to a minute until the platform knows a new key.
      timeout: 180,
      role: sub(`\${${roleOf("rotate-key")}.Arn}`),
      package: { artifact: ".serverless/rotate-key.zip" },
    },
    reconcileKeys: {
      ...common,
      name: functionName("reconcile-keys", options),
      description:
        "Finds keys at Voximplant that no secret holds; deletes superseded ones; revokes, rolls back.",
      // A revocation: up to 300 s for the replacement, a minute for the proof, a minute for the
      // containers.
      timeout: 600,
      role: sub(`\${${roleOf("reconcile-keys")}.Arn}`),
      ...(options.replicaRegions.length > 0 && {
        environment: { REPLICA_REGIONS: options.replicaRegions.join(",") },
      }),
      package: { artifact: ".serverless/reconcile-keys.zip" },
    },
  };
}
