import { createHash } from "node:crypto";
import { type Policy, serviceAccountsFor } from "../lib/grants/policy.ts";
import { ref, sub } from "./cloudformation.ts";
import { DeploymentError, type Options } from "./options.ts";

/** The names by which the parts of the template refer to each other. */
export type FunctionName = KeyReader | "rotate-key" | "reconcile-keys";
/** The functions that hold keys between requests. They only read them, and run in every region. */
export type KeyReader = "vend-token" | "call-method";

const logicalNames = {
  "vend-token": "VendToken",
  "call-method": "CallMethod",
  "rotate-key": "RotateKey",
  "reconcile-keys": "ReconcileKeys",
} as const satisfies Record<FunctionName, string>;

export const functionName = (name: FunctionName, { prefix }: Options) => `${prefix}-${name}`;
/**
 * Uses the name instead of Fn::GetAtt, so that a role does not depend on a function that depends on
 * another role.
 */
export const functionArnIn = (region: string, name: FunctionName, options: Options) =>
  sub(`arn:\${AWS::Partition}:lambda:${region}:\${AWS::AccountId}:function:${functionName(name, options)}`);
export const logGroupName = (name: FunctionName, options: Options) =>
  `/aws/lambda/${functionName(name, options)}`;

export const roleOf = (name: FunctionName) => `${logicalNames[name]}Role`;
/** The logical id that osls derives from a function's property name in serverless.yml. */
export const lambdaOf = (name: FunctionName) => `${logicalNames[name]}LambdaFunction`;
export const logGroupOf = (name: FunctionName) => `${logicalNames[name]}LogGroup`;

export const isKeyReader = (name: FunctionName): name is KeyReader =>
  name === "vend-token" || name === "call-method";

/** The function call-method exists only if a grant has methods. */
export const keyReadersOf = ({ callsMethods }: Options): readonly KeyReader[] =>
  callsMethods ? ["vend-token", "call-method"] : ["vend-token"];

/** Keys are rotated and reconciled in the primary region alone: a replica cannot be written. */
export const functionsOf = (options: Options): readonly FunctionName[] => [
  ...keyReadersOf(options),
  ...(options.secondary ? [] : (["rotate-key", "reconcile-keys"] as const)),
];

/** A role's name has at most 64 characters. In the worst case, `vend-token` leaves none free. */
const roleNameEndings = {
  "vend-token": "vend-token",
  "call-method": "call",
  "rotate-key": "rotate",
  "reconcile-keys": "reconcile",
} as const satisfies Record<FunctionName, string>;
/**
 * The name is fixed, because a secret's policy in the primary region names the readers' roles of
 * every region. A name that CloudFormation makes can begin with a shortened stack name, but
 * docs/policies/deployer.json allows only roles whose names begin with the whole prefix.
 */
export const roleName = (name: FunctionName, region: string, { prefix }: Options) =>
  `${prefix}-${region}-${roleNameEndings[name]}`;
export const roleArnIn = (name: FunctionName, region: string, options: Options) =>
  sub(
    `arn:\${AWS::Partition}:iam::\${AWS::AccountId}:role${options.rolePath}${roleName(name, region, options)}`,
  );

/** The KMS key that encrypts the secrets. */
export const signingKeysKey = "SigningKeysKey";
/**
 * The alias is the same in every region, so that the primary's secrets can name a replica's key
 * without its id.
 */
export const signingKeysAlias = ({ prefix }: Options) => `alias/${prefix}-signing-keys`;

/** A secret of the grants: one per Voximplant service account. */
export interface GrantedSecret {
  /** Secrets Manager name. */
  readonly name: string;
  readonly serviceAccounts: readonly string[];
  readonly logicalId: string;
  /**
   * The key readers that may read it: vend-token if a grant of tokens names one of its service
   * accounts, and call-method if a grant of methods does.
   */
  readonly readers: readonly FunctionName[];
}

/** Whether a function may read a secret. The functions of a key's life need every secret. */
export const mayRead = (name: FunctionName, { readers }: GrantedSecret) =>
  !isKeyReader(name) || readers.includes(name);

export function grantedSecrets(policy: Policy): readonly GrantedSecret[] {
  const names = [...new Set(policy.serviceAccounts.map(({ secret }) => secret))].sort();
  const secretsFor = (use: "tokens" | "calls") =>
    new Set(serviceAccountsFor(use, policy).map(({ secret }) => secret));
  const [vended, called] = [secretsFor("tokens"), secretsFor("calls")];
  return names.map((name) => ({
    name,
    serviceAccounts: policy.serviceAccounts
      .filter(({ secret }) => secret === name)
      .map((entry) => entry.name),
    logicalId: secretLogicalId(name),
    readers: [
      ...(vended.has(name) ? (["vend-token"] as const) : []),
      ...(called.has(name) ? (["call-method"] as const) : []),
    ],
  }));
}

/** Logical ids allow only letters and digits. The hash distinguishes `a/b` from `a-b`. */
function secretLogicalId(name: string): string {
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 8);
  return `Secret${pascalCase(name)}${hash}`;
}

export const pascalCase = (text: string) =>
  text
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");

/**
 * The ARN of a secret by its name: Secrets Manager puts a hyphen and six random characters after
 * it. `-*` would also match a longer name.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_iam-policies.html
 */
export const secretArnPattern = (name: string, region = "${AWS::Region}") =>
  sub(`arn:\${AWS::Partition}:secretsmanager:${region}:\${AWS::AccountId}:secret:${name}-??????`);

/** Whether this stack makes the secrets. If so, it refers to them by their logical ids. */
export const makesSecrets = ({ secondary, secrets }: Options) => !secondary && secrets === "create";

/** For a role's `Resource`: the secret, or its ARN pattern if this stack does not make it. */
export const secretArn = (secret: GrantedSecret, options: Options) =>
  makesSecrets(options) ? ref(secret.logicalId) : secretArnPattern(secret.name);

/** For a property `SecretId`. */
export const secretId = (secret: GrantedSecret, options: Options) =>
  makesSecrets(options) ? ref(secret.logicalId) : secret.name;

/**
 * The secrets of the service accounts that a parameter names, or all.
 *
 * @throws DeploymentError the grants have no such service account
 */
export function named(
  parameter: "rotate" | "replicate",
  secrets: readonly GrantedSecret[],
  options: Options,
): readonly GrantedSecret[] {
  const names = options[parameter];
  if (names.length === 1 && names[0] === "all") return secrets;
  const known = secrets.flatMap(({ serviceAccounts }) => serviceAccounts);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new DeploymentError(
      `${parameter}: no service account ${unknown.join(", ")} in the grants; there are ${known.join(", ")} (or all)`,
    );
  }
  return secrets.filter(({ serviceAccounts }) => serviceAccounts.some((name) => names.includes(name)));
}
