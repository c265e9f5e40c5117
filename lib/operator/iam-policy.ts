import { Command } from "commander";
import { indexGrants, listEntitlements } from "../grants/authorize.ts";
import type { Entitlement } from "../grants/policy.ts";
import { CliError, EXIT } from "../cli/cli-error.ts";
import type { Io } from "../cli/io.ts";
import { methodPath, routes, tokenPath } from "../http/wire.ts";
import { callerOf, GRANTS_FILE, readPolicy } from "./grants-file.ts";

interface Options {
  readonly principal: string;
  readonly uniqueId?: string;
  readonly orgId?: string;
  readonly apiId: string;
  readonly region: string;
  readonly apiAccountId: string;
  readonly stage: string;
  readonly grants: string;
}

/**
 * `voxtoken admin iam-policy`: prints the IAM policy that the caller's own account attaches to the
 * caller, so that IAM admits the paths of the caller's grants. Every caller needs this policy. A
 * caller of another account also needs the API's resource policy, which admits the accounts of the
 * grants. A resource policy alone never suffices.
 *
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-iam-policy-examples-for-api-execution.html
 */
export function iamPolicyCommand(io: Io): Command {
  return new Command("iam-policy")
    .description("print the IAM policy that lets a principal call the paths it is granted")
    .requiredOption("--principal <arn>", "ARN of a role or user, or of a session")
    .option("--unique-id <id>", "AROA… of the role or AIDA… of the user, if a grant has a uniqueId")
    .option("--org-id <id>", "its AWS organisation, if a grant has a principalOrgId")
    .option("--api-id <id>", "id of the API; without it, every API", "*")
    .option("--region <region>", "region of the API", "*")
    .option("--api-account-id <id>", "AWS account of the API", "*")
    .option("--stage <stage>", "stage of the API", "*")
    .option("--grants <file>", "the grants file", GRANTS_FILE)
    .action(async (options: Options) => {
      const caller = callerOf(options.principal, options);
      const granted = listEntitlements(indexGrants(await readPolicy(options.grants)), caller, io.now());
      if (granted.length === 0) {
        throw new CliError(
          `${options.grants} grants nothing to ${caller.principal}`,
          EXIT.denied,
          "voxtoken admin explain says why; " +
            "if a grant has a uniqueId or principalOrgId, give --unique-id or --org-id",
        );
      }
      const { region, apiAccountId, apiId, stage } = options;
      const api = `arn:${caller.partition}:execute-api:${region}:${apiAccountId}:${apiId}/${stage}`;
      io.stdout.write(`${JSON.stringify(callerPolicy(api, granted), null, 2)}\n`);
      if (apiId === "*")
        io.stderr.write("hint: --api-id, --region and --api-account-id narrow this to your API\n");
    });
}

/**
 * The IAM policy for what a caller is granted. A pattern of a method stays as it is: `*` and `?`
 * mean the same to IAM, except that IAM's `*` and `?` also match a slash. No other route lies below
 * `…/methods/`, so the slash makes no other route reachable. IAM's wildcards also match sensitive
 * methods (lib/grants/methods.ts), which no wildcard of a grant matches. call-method refuses them.
 *
 * @param api the ARN of the API with its stage
 */
export function callerPolicy(api: string, granted: readonly Entitlement[]) {
  const { vendToken, callMethod, listEntitlements } = routes;
  const tokens = granted
    .filter(({ maxTtlSeconds }) => maxTtlSeconds !== undefined)
    .map(({ name }) => `${vendToken.method}${tokenPath(name)}`);
  const methods = granted.flatMap(({ name, methods }) =>
    methods.map((pattern) => `${callMethod.method}${methodPath(name, pattern)}`),
  );
  const kinds = [
    { Sid: "VendVoximplantTokens", paths: tokens },
    { Sid: "CallVoximplantMethods", paths: methods },
  ].filter(({ paths }) => paths.length > 0);
  return {
    Version: "2012-10-17",
    Statement: kinds.map(({ Sid, paths }, index) => ({
      Sid,
      Effect: "Allow",
      Action: "execute-api:Invoke",
      Resource: [
        ...paths,
        // Every caller may list its own grants.
        ...(index === 0 ? [`${listEntitlements.method}${listEntitlements.path}`] : []),
      ].map((path) => `${api}/${path}`),
    })),
  };
}
