import { restApi } from "./api.ts";
import { runbookUrl } from "./alarms.ts";
import { getAtt, ref, type Resources } from "./cloudformation.ts";
import { functionName, functionsOf, type GrantedSecret, pascalCase, roleOf } from "./names.ts";
import { topicArn } from "./operations.ts";
import type { Options } from "./options.ts";
import { signingKeysKeyArn } from "./signing-keys-key.ts";

interface Tripwire {
  /** The heading of docs/runbook.md that says what to do. */
  readonly runbook: string;
  readonly meaning: string;
  readonly source: string;
  /** Further conditions on CloudTrail's event. */
  readonly detail: Readonly<Record<string, unknown>>;
}

/** A pattern may have 2,048 characters. */
const SECRETS_PER_RULE = 15;

/**
 * Alarms for changes that would let someone read a key or call as another principal. CloudTrail
 * reports each change to EventBridge, so the account needs a trail.
 *
 * - `UpdateFunctionCode20150331v2` is CloudTrail's name of an operation with its API version.
 * - `requestParameters.secretId` is a name or an ARN, as the caller wrote it. Hence the wildcards.
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
 */
function tripwires(secrets: readonly GrantedSecret[], options: Options): Readonly<Record<string, Tripwire>> {
  const keyArn = signingKeysKeyArn(options);
  const rules = Array.from({ length: Math.ceil(secrets.length / SECRETS_PER_RULE) }, (_, index) =>
    secrets.slice(index * SECRETS_PER_RULE, (index + 1) * SECRETS_PER_RULE),
  );
  return {
    ...Object.fromEntries(
      rules.map((some, index) => [
        index === 0 ? "secret-policy" : `secret-policy-${index + 1}`,
        {
          runbook: "a-secrets-policy-was-changed",
          meaning: "The policy of a secret was changed: it decides who may read the key.",
          source: "secretsmanager",
          detail: {
            eventName: ["PutResourcePolicy", "DeleteResourcePolicy"],
            requestParameters: { secretId: some.map(({ name }) => ({ wildcard: `*${name}*` })) },
          },
        },
      ]),
    ),
    ...(keyArn !== undefined && {
      "kms-key": {
        runbook: "the-kms-keys-policy-was-changed",
        meaning: "The KMS key of the secrets has another policy or a new grant.",
        source: "kms",
        detail: { eventName: ["PutKeyPolicy", "CreateGrant"], resources: { ARN: [keyArn] } },
      },
    }),
    function: {
      runbook: "a-function-was-changed",
      meaning: "A function has other code or another configuration: it can read the keys.",
      source: "lambda",
      detail: {
        eventName: ["UpdateFunctionCode20150331v2", "UpdateFunctionConfiguration20150331v2"],
        requestParameters: {
          functionName: functionsOf(options).map((name) => ({
            wildcard: `*${functionName(name, options)}*`,
          })),
        },
      },
    },
    api: {
      runbook: "the-api-was-changed",
      meaning: "The API was changed: an integration could write any caller into the event.",
      source: "apigateway",
      detail: { readOnly: [false], requestParameters: { restApiId: [ref(restApi)] } },
    },
  };
}

export function tripwireResources(secrets: readonly GrantedSecret[], options: Options): Resources {
  if (!options.tripwires) return {};
  return Object.fromEntries(
    Object.entries(tripwires(secrets, options)).map(([name, { runbook, meaning, source, detail }]) => [
      `Tripwire${pascalCase(name)}`,
      {
        Type: "AWS::Events::Rule",
        Properties: {
          Name: `${options.prefix}-tripwire-${name}`,
          Description: meaning,
          EventPattern: {
            source: [`aws.${source}`],
            "detail-type": ["AWS API Call via CloudTrail"],
            detail: {
              eventSource: [`${source}.amazonaws.com`],
              ...detail,
              // A user or a service has no session. A role has one, and the deployer's is not
              // reported.
              $or: [
                { userIdentity: { sessionContext: { sessionIssuer: { arn: [{ exists: false }] } } } },
                {
                  userIdentity: {
                    sessionContext: { sessionIssuer: { arn: [{ "anything-but": expected(options) }] } },
                  },
                },
              ],
            },
          },
          State: "ENABLED",
          Targets: [
            {
              Id: "alarms",
              Arn: topicArn(options),
              InputTransformer: {
                InputPathsMap: {
                  what: "$.detail.eventName",
                  who: "$.detail.userIdentity.arn",
                  from: "$.detail.sourceIPAddress",
                  when: "$.time",
                },
                InputTemplate: JSON.stringify(
                  `${meaning} <what> by <who> from <from> at <when>. What to do: ${runbookUrl(options)}#${runbook}`,
                ),
              },
            },
          ],
        },
      },
    ]),
  );
}

/** The roles that make these changes in normal operation. */
const expected = (options: Options) => [
  ...(options.deployerArn === undefined ? [] : [options.deployerArn]),
  // It makes the functions that hold keys forget a revoked one.
  ...(options.secondary ? [] : [getAtt(roleOf("reconcile-keys"), "Arn")]),
];
