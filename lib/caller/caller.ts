import { PARTITION } from "../partitions.ts";

/**
 * What API Gateway says about the signer of a request, in any of the event formats. API Gateway has
 * verified the signature. Nothing else in the event identifies the caller.
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

/** The IAM role or user that signed the request. */
export interface Caller {
  /** The canonical ARN, without a session. Grants match it, and it is the `sub` of the token. */
  readonly principal: string;
  readonly kind: "role" | "user";
  readonly partition: string;
  readonly accountId: string;
  /** The role's name, or the user's path and name (`team/alice`). */
  readonly name: string;
  /** The caller chooses it: it is recorded and grants nothing. */
  readonly sessionName?: string;
  /** `AROA…` or `AIDA…`. IAM never uses an id twice, even for the same name. */
  readonly uniqueId?: string;
  readonly organizationId?: string;
}

/** Why an event has no caller: `detail` is for the audit record, never for the caller. */
export interface NotACaller {
  readonly reason: "unauthenticated";
  readonly detail: string;
}

/**
 * Only these two forms of ARN are callers. The character classes are IAM's own. They allow neither
 * `/` nor `:` in a session name, so a session cannot imitate another role.
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html (ARNs, names, paths, unique ids)
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html (RoleSessionName)
 */
const NAME = String.raw`[\w+=,.@-]{1,64}`;
const ROLE_SESSION = new RegExp(`^arn:(${PARTITION}):sts::([0-9]{12}):assumed-role/(${NAME})/(${NAME})$`);
const USER = new RegExp(`^arn:(${PARTITION}):iam::([0-9]{12}):user/((?:[!-~]{0,510}/)?${NAME})$`);

/** Reads which IAM role or user signed a request, from what API Gateway verified. */
export function identifyCaller(identity: IamIdentity): Caller | NotACaller {
  const { userArn } = identity;
  if (userArn === undefined || userArn === null || userArn === "") {
    return refused(
      `the event's userArn is ${userArn === "" ? "empty" : userArn}: is the method set to AWS_IAM?`,
    );
  }

  const session = ROLE_SESSION.exec(userArn);
  if (session) {
    const [, partition = "", accountId = "", name = "", sessionName = ""] = session;
    return identified({ kind: "role", partition, accountId, name, sessionName }, "AROA", identity);
  }

  const user = USER.exec(userArn);
  if (user) {
    const [, partition = "", accountId = "", name = ""] = user;
    return identified({ kind: "user", partition, accountId, name }, "AIDA", identity);
  }

  return refused(
    `${JSON.stringify(userArn.slice(0, 256))} is ${whatElse(userArn)}, not a role session or a user`,
  );
}

function identified(
  who: Omit<Caller, "principal" | "uniqueId" | "organizationId">,
  idPrefix: "AROA" | "AIDA",
  { userId, principalOrgId }: IamIdentity,
): Caller {
  // A role session's userId is `AROA…:session`. If the id has another prefix, it is not the id of
  // this principal, so it is left out.
  const uniqueId = userId?.split(":", 1)[0];
  return {
    principal: `arn:${who.partition}:iam::${who.accountId}:${who.kind}/${who.name}`,
    ...who,
    ...(uniqueId?.startsWith(idPrefix) ? { uniqueId } : {}),
    ...(principalOrgId ? { organizationId: principalOrgId } : {}),
  };
}

function refused(detail: string): NotACaller {
  return { reason: "unauthenticated", detail };
}

function whatElse(arn: string): string {
  const resource = arn.split(":").slice(5).join(":");
  if (resource === "root") return "an account's root user";
  if (resource.startsWith("federated-user/")) return "a federated user";
  if (resource.startsWith("assumed-role/"))
    return "an assumed role whose name or session name IAM would not allow";
  if (resource.startsWith("role/")) return "a role itself (only its sessions can sign requests)";
  return "something else";
}
