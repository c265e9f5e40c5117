import * as z from "zod";
import { getAtt, type Resource, type Resources } from "./cloudformation.ts";
import { functionName, type FunctionName, functionsOf, lambdaOf, logGroupOf, roleOf } from "./names.ts";
import { DeploymentError, type Options } from "./options.ts";
import { tagged } from "./tags.ts";

/** The declaration of a function in serverless.yml or deployment.ts. */
export const declaration = z.object({
  description: z.string(),
  handler: z.string(),
  timeout: z.number(),
  memorySize: z.number(),
  environment: z.record(z.string(), z.string()).optional(),
});

/** The settings of all functions in serverless.yml. */
export const provider = z.object({
  runtime: z.string(),
  architecture: z.string(),
  environment: z.record(z.string(), z.string()),
});

/** Undefined: the function takes from the account's pool. */
export function reservedConcurrency(name: FunctionName, options: Options): number | undefined {
  if (name === "vend-token") return options.reservedConcurrency;
  return name === "call-method" ? options.callReservedConcurrency : undefined;
}

/**
 * The functions as CloudFormation resources, for a deployment without osls. osls creates them from
 * the same declarations. `Code` is a path, which `aws cloudformation package` replaces.
 */
export function functionResources(
  declarations: Readonly<Record<FunctionName, z.infer<typeof declaration> | undefined>>,
  common: z.infer<typeof provider>,
  values: Readonly<Record<string, string>>,
  options: Options,
): Resources {
  const resource = (name: FunctionName): Resource => {
    const own = declarations[name];
    if (own === undefined) throw new Error(`${name} is not declared`);
    return {
      Type: "AWS::Lambda::Function",
      DependsOn: [logGroupOf(name)],
      Properties: {
        FunctionName: functionName(name, options),
        Description: own.description,
        Runtime: common.runtime,
        Architectures: [common.architecture],
        Handler: own.handler,
        MemorySize: own.memorySize,
        Timeout: own.timeout,
        Role: getAtt(roleOf(name), "Arn"),
        TracingConfig: { Mode: "Active" },
        Environment: { Variables: { ...withValues(common.environment, values), ...own.environment } },
        ReservedConcurrentExecutions: reservedConcurrency(name, options),
        ...tagged(options),
        Code: `./${name}.zip`,
      },
    };
  };
  return Object.fromEntries(functionsOf(options).map((name) => [lambdaOf(name), resource(name)]));
}

/** Replaces `${param:name}`, the only kind of variable that is supported without osls. */
function withValues(
  environment: Readonly<Record<string, string>>,
  values: Readonly<Record<string, string>>,
): Record<string, string> {
  const filled = Object.entries(environment).map(([name, text]): [string, string] => {
    const value = text.replace(
      /\$\{param:(\w+)\}/g,
      (variable, parameter: string) => values[parameter] ?? variable,
    );
    if (value.includes("${"))
      throw new DeploymentError(`provider.environment.${name}: only osls resolves ${value}`);
    return [name, value];
  });
  return Object.fromEntries(filled);
}
