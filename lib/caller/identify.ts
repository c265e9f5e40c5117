import { PARTITION } from "../partitions.ts";
import type { Caller, IamIdentity } from "./caller.ts";

export type Identification =
  | { readonly identified: true; readonly caller: Caller }
  /** `detail` says what the event held instead: for the audit record, never for the caller. */
  | { readonly identified: false; readonly detail: string };

/**
 * Only these two forms of ARN are callers. The character classes are IAM's own, so that neither a `/` nor a `:` can
 * hide in a session name: a session may not be read as anything but the session of the role in front of it.
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html (ARNs, names, paths, unique ids)
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html (RoleSessionName)
 */
const NAME = String.raw`[\w+=,.@-]{1,64}`;
const ROLE_SESSION = new RegExp(`^arn:(${PARTITION}):sts::([0-9]{12}):assumed-role/(${NAME})/(${NAME})$`);
const USER = new RegExp(`^arn:(${PARTITION}):iam::([0-9]{12}):user/((?:[!-~]{0,510}/)?${NAME})$`);

/** Finds out which IAM role or user signed a request, from what API Gateway verified. */
export function identifyCaller(identity: IamIdentity): Identification {
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
): Identification {
  // A role session's userId is `AROA…:session`. An id of another kind names something else: no pin may rest on it.
  const uniqueId = userId?.split(":", 1)[0];
  return {
    identified: true,
    caller: {
      principal: `arn:${who.partition}:iam::${who.accountId}:${who.kind}/${who.name}`,
      ...who,
      ...(uniqueId?.startsWith(idPrefix) ? { uniqueId } : {}),
      ...(principalOrgId ? { organizationId: principalOrgId } : {}),
    },
  };
}

function refused(detail: string): Identification {
  return { identified: false, detail };
}

function whatElse(arn: string): string {
  const resource = arn.split(":").slice(5).join(":");
  if (resource === "root") return "an account's root user";
  if (resource.startsWith("federated-user/")) return "a federated user";
  if (resource.startsWith("assumed-role/"))
    return "an assumed role whose name or session name IAM would not allow";
  if (resource.startsWith("role/")) return "a role itself, which only its sessions can call as";
  return "something else";
}
