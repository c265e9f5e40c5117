import { restApi } from "./api.ts";
import { runbookUrl } from "./alarms.ts";
import { ref, type Resources, sub } from "./cloudformation.ts";
import { functionName, functionsOf, type GrantedSecret, pascalCase, roleArnIn } from "./names.ts";
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

/** The most characters for the secrets in one rule's pattern. The whole pattern may have 2,048. */
const SECRETS_PER_RULE = 1_200;

/**
 * Alarms for changes that would let someone read a key or call as another principal. CloudTrail
 * reports each change to EventBridge, so the account needs a trail.
 *
 * - `UpdateFunctionCode20150331v2` is CloudTrail's name of an operation with its API version.
 * - `requestParameters` has the name of a secret or function as the caller wrote it: a name, or a
 *   whole or shortened ARN. The patterns have no wildcards, because AWS refuses a rule with more
 *   than a few ("Rule is too complex").
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
 */
function tripwires(secrets: readonly GrantedSecret[], options: Options): Readonly<Record<string, Tripwire>> {
  const keyArn = signingKeysKeyArn(options);
  return {
    ...Object.fromEntries(
      groupsOf(secrets).map((some, index) => [
        index === 0 ? "secret-policy" : `secret-policy-${index + 1}`,
        {
          runbook: "a-secrets-policy-was-changed",
          meaning: "The policy or the replicas of a secret were changed: they decide who may read the key.",
          source: "secretsmanager",
          detail: {
            // A replica can be made independent in a region without tripwires, and read there.
            eventName: ["PutResourcePolicy", "DeleteResourcePolicy", "ReplicateSecretToRegions"],
            requestParameters: {
              secretId: some.flatMap(({ name }) => [name, { prefix: sub(`${secretArns}${name}`) }]),
            },
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
      meaning: "A function has other code, another configuration or a new invoker: it can use the keys.",
      source: "lambda",
      detail: {
        eventName: [
          "UpdateFunctionCode20150331v2",
          "UpdateFunctionConfiguration20150331v2",
          // A principal that may invoke the function can impersonate every caller.
          "AddPermission20150331v2",
          { prefix: "CreateFunctionUrlConfig" },
        ],
        requestParameters: {
          functionName: functionsOf(options)
            .map((name) => functionName(name, options))
            .flatMap((name) => [{ suffix: name }, { suffix: `${name}:$LATEST` }]),
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

const secretArns = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:";

/** Divides the secrets, so that the pattern of each rule stays short enough. */
function groupsOf(secrets: readonly GrantedSecret[]): readonly (readonly GrantedSecret[])[] {
  const groups: GrantedSecret[][] = [];
  let length = Number.POSITIVE_INFINITY;
  for (const secret of secrets) {
    // The name, and an ARN with the longest partition and region.
    const needed = 2 * secret.name.length + 100;
    if (length + needed > SECRETS_PER_RULE) {
      groups.push([]);
      length = 0;
    }
    groups.at(-1)?.push(secret);
    length += needed;
  }
  return groups;
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
  // After a revocation, it reconfigures the functions that hold keys, in every region.
  roleArnIn("reconcile-keys", options.primaryRegion ?? options.region, options),
];
