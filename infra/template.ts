import type { Policy } from "../lib/grants/policy.ts";
import { alarmResources } from "./alarms.ts";
import { apiResources, deploymentOf, restApi } from "./api.ts";
import { getAtt, type Outputs, type Resources, sub } from "./cloudformation.ts";
import { dashboardResources } from "./dashboard.ts";
import { domainResources } from "./domain.ts";
import { logResources } from "./logs.ts";
import { keyLifeResources } from "./key-life.ts";
import { checkLimits } from "./limits.ts";
import { functionsOf, grantedSecrets, named } from "./names.ts";
import { operationsResources, topicArn } from "./operations.ts";
import type { Options } from "./options.ts";
import { queryResources } from "./queries.ts";
import { roleResources } from "./roles.ts";
import { secretResources } from "./secrets.ts";
import { signingKeysKeyResources } from "./signing-keys-key.ts";
import { stageResources } from "./stage.ts";
import { withTags } from "./tags.ts";
import { tripwireResources } from "./tripwires.ts";

/**
 * The whole stack except the functions, which serverless.yml declares. Everything that depends on
 * the grants is derived from them here.
 */
export function template(policy: Policy, options: Options): { Resources: Resources; Outputs: Outputs } {
  const secrets = grantedSecrets(policy);
  const functions = functionsOf(options);
  const api = apiResources(policy, options);
  const resources = withTags(
    {
      ...api,
      ...stageResources(options, deploymentOf(api)),
      ...domainResources(options),
      ...signingKeysKeyResources(secrets, options),
      ...secretResources(secrets, options, functions),
      ...roleResources(functions, secrets, options),
      ...keyLifeResources(secrets, options),
      ...logResources(options),
      ...operationsResources(options),
      ...alarmResources(options),
      ...dashboardResources(policy, options),
      ...queryResources(options),
      ...tripwireResources(secrets, options),
    },
    options,
  );
  checkLimits(resources, secrets, options);
  return {
    Resources: resources,
    Outputs: {
      ApiUrl: {
        Description: "The value of --url and VOXTOKEN_URL for clients.",
        Value:
          options.domainName === undefined
            ? sub(`https://\${${restApi}}.execute-api.\${AWS::Region}.\${AWS::URLSuffix}/${options.stage}`)
            : `https://${[options.domainName, ...(options.basePath === undefined ? [] : [options.basePath])].join("/")}`,
      },
      ApiArn: {
        Description: "The ARN before /<stage>/<method>/<path> in a caller's IAM policy.",
        Value: sub(`arn:\${AWS::Partition}:execute-api:\${AWS::Region}:\${AWS::AccountId}:\${${restApi}}`),
      },
      AlarmTopicArn: { Description: "Subscribe to it.", Value: topicArn(options) },
      ...(options.domainName !== undefined && {
        DomainTarget: {
          Description: "The target of the domain's DNS record.",
          Value: getAtt("ApiDomain", "RegionalDomainName"),
        },
      }),
      ...(!options.secondary && {
        Rotated: {
          Description: "Secrets with a rotation schedule (rotate).",
          Value:
            named("rotate", secrets, options)
              .map(({ name }) => name)
              .join(", ") || "none",
        },
      }),
    },
  };
}
