import { authorize, indexGrants, listEntitlements } from "../../lib/grants/authorize.ts";
import type { AccessRequest, Policy } from "../../lib/grants/policy.ts";
import { parseGrants } from "../../lib/grants/parse.ts";
import { methodPath, tokenPath } from "../../lib/http/wire.ts";
import { isFailure } from "../../lib/outcome.ts";
import { callerPolicy } from "../../lib/operator/iam-policy.ts";
import { callerOf } from "../fakes/policy.ts";
import { stackOf } from "./describe.ts";
import { property } from "./promises.ts";
import { resolveIntrinsics } from "./resolve.ts";
import { isAllowed } from "./simulate.ts";

/**
 * Who gets through to which path: the caller's IAM policy, as `voxtoken admin iam-policy` prints
 * it, the API's resource policy, and then the grants, all for the same grants.yml.
 */
const place = { accountId: "999988887777", region: "us-east-1" };
const OTHER_ACCOUNT = "111122223333";
const FOREIGN_ACCOUNT = "444455556666";

const grants = `
serviceAccounts:
  outbound-calls: {secret: voximplant/outbound-calls}
  call-history: {secret: voximplant/call-history}
grants:
  - principals: ["arn:aws:iam::${place.accountId}:role/dialer", "arn:aws:iam::${OTHER_ACCOUNT}:role/dialer"]
    serviceAccounts: [outbound-calls]
    methods: [StartScenarios]
  - principals: ["arn:aws:iam::${place.accountId}:role/reporter"]
    serviceAccounts: [outbound-calls]
    methods: ["Get*"]
  - principals: ["arn:aws:iam::${place.accountId}:role/worker"]
    serviceAccounts: [outbound-calls]
`;

export interface PathCaller {
  readonly name: string;
  readonly principal: string;
  /** Whose policy it has; its own unless said otherwise. */
  readonly withPolicyOf?: string;
}

const role = (name: string, account = place.accountId) => `arn:aws:iam::${account}:role/${name}`;

export const callers: readonly PathCaller[] = [
  { name: "`StartScenarios`, the API's account", principal: role("dialer") },
  { name: "`StartScenarios`, another account", principal: role("dialer", OTHER_ACCOUNT) },
  {
    name: "the same IAM policy, an account without a grant",
    principal: role("dialer", FOREIGN_ACCOUNT),
    withPolicyOf: role("dialer"),
  },
  { name: "`Get*`, the API's account", principal: role("reporter") },
  { name: "tokens, the API's account", principal: role("worker") },
];

export interface PathRequest {
  readonly method: "POST" | "GET";
  readonly path: string;
  /** What the function asks the grants; undefined for the list, which every caller may have. */
  readonly asks: AccessRequest | undefined;
}

const call = (serviceAccount: string, method: string): PathRequest => ({
  method: "POST",
  path: methodPath(serviceAccount, method),
  asks: { serviceAccount, method },
});
const token = (serviceAccount: string): PathRequest => ({
  method: "POST",
  path: tokenPath(serviceAccount),
  asks: { serviceAccount },
});

export const requests: readonly PathRequest[] = [
  call("outbound-calls", "StartScenarios"),
  call("outbound-calls", "startscenarios"),
  call("outbound-calls", "StartScenariosX"),
  call("outbound-calls", "StartConference"),
  call("outbound-calls", "GetCallHistory"),
  call("outbound-calls", "GetSecretValue"),
  call("outbound-calls", "CreateKey"),
  token("outbound-calls"),
  call("call-history", "StartScenarios"),
  token("call-history"),
  { method: "GET", path: "/v1/service-accounts", asks: undefined },
];

export type Passage = "yes" | "–" | "grant refuses";

function parsed(): Policy {
  const result = parseGrants(grants, "grants.yml", "dev");
  if ("problems" in result) throw new Error(JSON.stringify(result.problems));
  return result.policy;
}

const policy = parsed();
const index = indexGrants(policy);
const stack = stackOf({}, { grants });
const api = `arn:aws:execute-api:${place.region}:${place.accountId}:a1b2c3d4e5`;
const resourcePolicy: unknown = JSON.parse(
  JSON.stringify(resolveIntrinsics(property(stack.Resources["RestApi"], "Policy"), stack, place)).replaceAll(
    "execute-api:/",
    `${api}/`,
  ),
);

/** `–`: API Gateway refuses by IAM, or by the API's resource policy. */
export async function passage(
  { principal, withPolicyOf = principal }: PathCaller,
  { method, path, asks }: PathRequest,
): Promise<Passage> {
  const granted = listEntitlements(index, callerOf(withPolicyOf), Date.now());
  const session = principal.replace(/^arn:aws:iam::(\d+):role\//, "arn:aws:sts::$1:assumed-role/");
  const passesIam = await isAllowed({
    principal: `${session}/session`,
    action: "execute-api:Invoke",
    resource: `${api}/dev/${method}${path}`,
    identityPolicies: [callerPolicy(`${api}/dev`, granted)],
    resourcePolicy,
    context: { "aws:SecureTransport": "true" },
  });
  if (!passesIam) return "–";
  const isGranted = asks === undefined || !isFailure(authorize(index, callerOf(principal), asks, Date.now()));
  return isGranted ? "yes" : "grant refuses";
}

/** The table of docs/access.md. */
export async function passagesTable(): Promise<string> {
  const rows = await Promise.all(
    requests.map(async (request) => {
      const cells = await Promise.all(callers.map((caller) => passage(caller, request)));
      return `| \`${request.method} ${request.path}\` | ${cells.join(" | ")} |`;
    }),
  );
  return [
    `| | ${callers.map(({ name }) => name).join(" | ")} |`,
    `| --- | ${callers.map(() => "---").join(" | ")} |`,
    ...rows,
  ].join("\n");
}
