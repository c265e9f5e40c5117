import { runSimulation } from "@cloud-copilot/iam-simulate";

export interface Request {
  /** A user, or a role's session. */
  readonly principal: string;
  readonly action: string;
  readonly resource: string;
  /** The policies of the principal. */
  readonly identityPolicies: readonly unknown[];
  /** The resource's, or the key's. */
  readonly resourcePolicy: unknown;
  /** Of the organisation, on top of AWS's own that allows everything. */
  readonly serviceControlPolicy?: unknown;
  /** What AWS adds to the request, beyond what follows from the principal. */
  readonly context?: Readonly<Record<string, string | string[]>>;
}

const FULL_AWS_ACCESS = {
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }],
};

/** Empty in the ARN of a bucket or of an API's settings, which are of the principal's account. */
const accountOf = (arn: string) => arn.split(":")[4] ?? "";

/**
 * Whether AWS would let a request through, by the policies of both sides.
 * @throws where the simulator takes a policy, an action or a condition key for a mistake
 */
export async function isAllowed(request: Request): Promise<boolean> {
  const { principal, action, resource, identityPolicies, resourcePolicy, context, serviceControlPolicy } =
    knownKeys(request);
  const outcome = await runSimulation(
    {
      request: {
        principal,
        action,
        resource: { resource, accountId: accountOf(resource) || accountOf(principal) },
        contextVariables: {
          "aws:PrincipalArn": roleOrUser(principal),
          "aws:PrincipalAccount": accountOf(principal),
          ...context,
        },
      },
      identityPolicies: identityPolicies.map((policy, index) => ({ name: `policy-${index}`, policy })),
      serviceControlPolicies:
        serviceControlPolicy === undefined
          ? []
          : [
              {
                orgIdentifier: "r-root",
                policies: [
                  { name: "FullAWSAccess", policy: FULL_AWS_ACCESS },
                  { name: "ours", policy: serviceControlPolicy },
                ],
              },
            ],
      resourceControlPolicies: [],
      resourcePolicy,
    },
    {},
  );
  if (outcome.resultType === "error") throw new Error(JSON.stringify(outcome.errors, null, 2));
  const dropped = outcome.resultType === "single" ? outcome.result.ignoredContextKeys : [];
  if (dropped !== undefined && dropped.length > 0) throw new Error(`${action} has no ${dropped.join(", ")}`);
  return outcome.overallResult === "Allowed";
}

/**
 * The simulator drops condition keys with a variable part, which kms:EncryptionContext:SecretARN
 * has. Its place is taken, in the policies and in the request, by another key that is a string and
 * that no policy here uses.
 */
const knownKeys = (request: Request): Request =>
  JSON.parse(
    JSON.stringify(request).replaceAll("kms:EncryptionContext:SecretARN", "kms:RequestAlias"),
  ) as Request;

/** `aws:PrincipalArn` of a role's session is the role's ARN, with its path. */
const roleOrUser = (principal: string) =>
  principal.replace(/^(arn:[^:]+):sts::(\d+):assumed-role\/([^/]+)\/.+$/, "$1:iam::$2:role/$3");
