import type { Policy } from "../lib/grants/policy.ts";
import { sub } from "./cloudformation.ts";
import { reservedConcurrency } from "./functions.ts";
import { functionName, functionsOf, lambdaOf, roleOf } from "./names.ts";
import { DeploymentError, type Options, parameterNames, parseOptions } from "./options.ts";
import { tagged } from "./tags.ts";
import { template } from "./template.ts";

/**
 * Refuses unknown names, and parameters on the command line: a later deployment would not have
 * these parameters.
 */
export function checkParameters(
  stage: string,
  onCommandLine: readonly string[],
  inFile: readonly string[],
): void {
  const nameOf = (argument: string) => argument.split("=")[0] ?? "";
  if (onCommandLine.length > 0) {
    throw new DeploymentError(
      `--param ${onCommandLine.map(nameOf).join(", ")}: parameters belong in serverless.yml, below params.${stage}. ` +
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
  const options = parseOptions(policy, deployment, values);
  const lambdas: Readonly<Record<string, object>> = Object.fromEntries(
    functionsOf(options).map((name) => [
      lambdaOf(name),
      { ReservedConcurrentExecutions: reservedConcurrency(name, options), ...tagged(options) },
    ]),
  );
  return {
    resources: {
      ...template(policy, options),
      // What osls merges into the resources that it makes itself.
      extensions: Object.fromEntries(
        Object.entries({ ...lambdas, ServerlessDeploymentBucket: tagged(options) }).map(
          ([id, Properties]) => [id, { Properties }],
        ),
      ),
    },
    callFunctions: callFunctions(options),
    keyFunctions: keyFunctions(options),
  };
}

/** The function that calls methods. It is deployed only if a grant has methods. */
function callFunctions(options: Options) {
  if (!options.callsMethods) return {};
  return {
    callMethod: {
      handler: "index.handler",
      disableLogs: true,
      // As much as vend-token: it does the same work, and may hold an answer of 5 MiB.
      memorySize: 512,
      name: functionName("call-method", options),
      description: "Calls a method of Voximplant for an IAM principal who gets no token.",
      // 3 s for the key, 25 s for the call, and 3 s more for another key if the platform refuses
      // the first. API Gateway waits for 29 s only, but a call must end and be recorded all the
      // same.
      timeout: 35,
      role: sub(`\${${roleOf("call-method")}.Arn}`),
      package: { artifact: ".serverless/call-method.zip" },
    },
  };
}

/** The functions that rotate and reconcile keys. A secondary region does not have them. */
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
        "Finds keys at Voximplant that no secret holds; deletes superseded keys; revokes, rolls back.",
      // A revocation: up to 300 s for the replacement, and some minutes for the deletion, its proof
      // and the containers.
      timeout: 600,
      role: sub(`\${${roleOf("reconcile-keys")}.Arn}`),
      ...(options.replicaRegions.length > 0 && {
        environment: { REPLICA_REGIONS: options.replicaRegions.join(",") },
      }),
      package: { artifact: ".serverless/reconcile-keys.zip" },
    },
  };
}
