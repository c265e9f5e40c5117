import type { Admitted } from "./admitted.ts";
import { account, policyDocument, type Statement } from "./cloudformation.ts";

/**
 * The API's resource policy: admits exactly the accounts and organisations of the grants.
 *
 * How API Gateway evaluates it beside AWS_IAM:
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html
 * - For a caller of the API's own account, one Allow is enough: here or in IAM (table A). An Allow
 *   here would replace the caller's IAM policy. So every Allow excludes the own account, which this
 *   policy can only deny.
 * - A caller of another account needs both (table B). So the accounts of the grants need the Allow.
 *
 * The Deny refuses everyone else, whatever their IAM policies say. It applies if neither the
 * account nor the organisation is in the grants. An absent condition key counts as "not equal": an
 * account without an organisation has no aws:PrincipalOrgID. The Allow does not repeat the
 * accounts, because a policy may have 8,192 characters.
 *
 * `execute-api:/*` is this API: API Gateway completes the ARN when it stores the policy.
 */
export function apiResourcePolicy(admitted: Admitted, vpcEndpointIds: readonly string[]) {
  const { accountIds, organizationIds } = admitted;
  const invoke = { Action: "execute-api:Invoke", Resource: "execute-api:/*" };
  const otherAccount = { "aws:PrincipalAccount": account };
  const known = {
    ...(accountIds.length > 0 && { "aws:PrincipalAccount": accountIds }),
    ...(organizationIds.length > 0 && { "aws:PrincipalOrgID": organizationIds }),
  };

  const statements: Statement[] = [
    {
      Sid: "RefuseWhoeverIsNotInTheGrants",
      Effect: "Deny",
      Principal: "*",
      ...invoke,
      ...(Object.keys(known).length > 0 && { Condition: { StringNotEquals: known } }),
    },
  ];
  if (Object.keys(known).length > 0) {
    statements.push({
      Sid: "AdmitTheOtherAccountsOfTheGrants",
      Effect: "Allow",
      Principal: "*",
      ...invoke,
      Condition: { StringNotEquals: otherAccount },
    });
  }
  if (vpcEndpointIds.length > 0) {
    statements.push({
      Sid: "RefuseWhateverComesNotThroughTheVpcEndpoints",
      Effect: "Deny",
      Principal: "*",
      ...invoke,
      Condition: { StringNotEquals: { "aws:SourceVpce": vpcEndpointIds } },
    });
  }
  return policyDocument(statements);
}
