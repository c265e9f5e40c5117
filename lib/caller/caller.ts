/**
 * What API Gateway says about the signer of a request, whichever event format it came in.
 * It has verified the signature; these fields are the only thing here that is believed.
 *
 * REST API: `requestContext.identity`; HTTP API and function URL: `requestContext.authorizer.iam`.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
 */
export interface IamIdentity {
  readonly userArn?: string | null | undefined;
  /** `AROA…:session` of a role session, `AIDA…` of a user. */
  readonly userId?: string | null | undefined;
  readonly accountId?: string | null | undefined;
  readonly principalOrgId?: string | null | undefined;
}

/** An IAM role or user that has proved, by SigV4, that it is calling. */
export interface Caller {
  /** The canonical ARN, that grants match and the token names as `sub`: never with a session in it. */
  readonly principal: string;
  readonly kind: "role" | "user";
  readonly partition: string;
  readonly accountId: string;
  /** The role's name, or the user's path and name (`team/alice`). */
  readonly name: string;
  /** Chosen by the caller: recorded, never trusted. */
  readonly sessionName?: string;
  /** `AROA…` or `AIDA…`: IAM never gives it to anyone else again, even under the same name. */
  readonly uniqueId?: string;
  readonly organizationId?: string;
}
