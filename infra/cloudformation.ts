/**
 * The part of CloudFormation's language that this folder uses. The files of this folder compute
 * resources, as plain JSON, from the policy and the options. Nothing here calls AWS.
 */
export interface Resource {
  readonly Type: string;
  readonly Properties?: Readonly<Record<string, unknown>>;
  readonly DependsOn?: readonly string[];
  readonly DeletionPolicy?: "RetainExceptOnCreate";
  readonly UpdateReplacePolicy?: "Retain";
}

export type Resources = Readonly<Record<string, Resource>>;

export interface Output {
  readonly Description: string;
  readonly Value: unknown;
}

export type Outputs = Readonly<Record<string, Output>>;

/** One statement of an IAM policy, a resource policy or a key policy. */
export interface Statement {
  readonly Sid: string;
  readonly Effect: "Allow" | "Deny";
  readonly Principal?: unknown;
  readonly Action: string | readonly string[];
  readonly Resource?: unknown;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export const ref = (logicalId: string) => ({ Ref: logicalId });
export const getAtt = (logicalId: string, attribute: string) => ({ "Fn::GetAtt": [logicalId, attribute] });
/** `${AWS::Region}` and the like are filled in by CloudFormation. */
export const sub = (template: string) => (template.includes("${") ? { "Fn::Sub": template } : template);

export const account = ref("AWS::AccountId");
/** The stack's own account as a principal: IAM decides which of its principals may act. */
export const accountPrincipal = { AWS: sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root") };

export const policyDocument = (statements: readonly Statement[]) => ({
  Version: "2012-10-17",
  Statement: statements,
});

/**
 * For resources that must outlive the stack. If the deployment that created the resource is rolled
 * back, the resource is deleted: it holds nothing yet, and its name would block the next
 * deployment.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
 */
export const retained = {
  DeletionPolicy: "RetainExceptOnCreate",
  UpdateReplacePolicy: "Retain",
} as const;
