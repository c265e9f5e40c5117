import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { format } from "prettier";
import { describe, expect, it } from "vitest";

import { ROLES_TAG } from "../../lib/key-lifecycle/roles.ts";
import { COPIES_TAG, GRACE_TAG } from "../../lib/key-lifecycle/secret-store.ts";
import { stackOf } from "./describe.ts";
import { passagesTable } from "./method-paths.ts";
import { property } from "./promises.ts";
import { resolveIntrinsics } from "./resolve.ts";
import { isAllowed } from "./simulate.ts";

const place = { accountId: "999988887777", region: "us-east-1" };
const stack = stackOf();
const resolved = (value: unknown) => resolveIntrinsics(value, stack, place);

const secretId = "SecretVoximplantOutboundCalls09ae40ea";
const secret = String(resolved({ Ref: secretId }));
/** Of a service account of which the sample grants no methods. */
const tokensSecretId = "SecretVoximplantCallHistory719b5b41";
const tokensSecret = String(resolved({ Ref: tokensSecretId }));
const anotherSecret = secret.replace("outbound-calls", "not-ours");
const key = String(resolved({ "Fn::GetAtt": ["SigningKeysKey", "Arn"] }));
const secretPolicy = resolved(property(stack.Resources[`${secretId}Policy`], "ResourcePolicy"));
const tokensSecretPolicy = resolved(property(stack.Resources[`${tokensSecretId}Policy`], "ResourcePolicy"));
const keyPolicy = resolved(property(stack.Resources["SigningKeysKey"], "KeyPolicy"));

interface Principal {
  readonly name: string;
  readonly arn: string;
  readonly policies: readonly unknown[];
}

const functionRole = (name: string, logicalId: string, template = stack, at = place): Principal => {
  const resolveThere = (value: unknown) => resolveIntrinsics(value, template, at);
  const role = String(resolveThere({ "Fn::GetAtt": [logicalId, "Arn"] })).split("/")[1] ?? "";
  const policies = property(template.Resources[logicalId], "Policies") as readonly {
    PolicyDocument: unknown;
  }[];
  return {
    name,
    arn: `arn:aws:sts::${place.accountId}:assumed-role/${role}/session`,
    policies: policies.map(({ PolicyDocument }) => resolveThere(PolicyDocument)),
  };
};
const everything = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }] };
const policyFile = (name: string): unknown =>
  JSON.parse(
    readFileSync(resolve(import.meta.dirname, `../../docs/policies/${name}.json`), "utf8")
      .replaceAll("ACCOUNT_ID", place.accountId)
      .replaceAll("SECONDARY_REGION", "eu-west-1")
      .replaceAll("REGION", place.region)
      .replaceAll("STAGE", "dev"),
  );
const operatorPolicy = policyFile("operator");

const principals: readonly Principal[] = [
  functionRole("vend-token", "VendTokenRole"),
  functionRole("call-method", "CallMethodRole"),
  functionRole("rotate-key", "RotateKeyRole"),
  functionRole("reconcile-keys", "ReconcileKeysRole"),
  {
    name: "operator, with docs/policies/operator.json",
    arn: `arn:aws:sts::${place.accountId}:assumed-role/operator/session`,
    policies: [operatorPolicy],
  },
  {
    name: "deployer, with docs/policies/deployer.json",
    arn: `arn:aws:sts::${place.accountId}:assumed-role/deployment/session`,
    policies: [policyFile("deployer")],
  },
  {
    name: "developer, with apigateway:* and lambda:Get*",
    arn: `arn:aws:sts::${place.accountId}:assumed-role/developer/session`,
    policies: [
      {
        Version: "2012-10-17",
        Statement: [{ Effect: "Allow", Action: ["apigateway:*", "lambda:Get*"], Resource: "*" }],
      },
    ],
  },
  {
    name: "administrator, with every permission",
    arn: `arn:aws:sts::${place.accountId}:assumed-role/deployer/session`,
    policies: [everything],
  },
  {
    name: "stranger in the account, without permissions",
    arn: `arn:aws:iam::${place.accountId}:user/guest`,
    policies: [],
  },
  {
    name: "stranger of another account, with every permission there",
    arn: "arn:aws:sts::444455556666:assumed-role/admin/session",
    policies: [everything],
  },
];

const viaSecretsManager = (secretArn: string) => ({
  "kms:ViaService": `secretsmanager.${place.region}.amazonaws.com`,
  "kms:EncryptionContext:SecretARN": secretArn,
  "kms:ResourceAliases": ["alias/voximplant-token-vendor-dev-signing-keys"],
});

/** What a principal does, as the requests that AWS checks: all have to be allowed. */
const deeds: readonly { readonly name: string; readonly needs: readonly Need[] }[] = [
  { name: "read a key", needs: [secrets("GetSecretValue"), kms("Decrypt", viaSecretsManager(secret))] },
  {
    name: "read a key that no grant of methods names",
    needs: [
      { ...secrets("GetSecretValue"), resource: tokensSecret, resourcePolicy: tokensSecretPolicy },
      kms("Decrypt", viaSecretsManager(tokensSecret)),
    ],
  },
  {
    name: "store a key",
    needs: [
      secrets("PutSecretValue"),
      kms("GenerateDataKey", viaSecretsManager(secret)),
      kms("Decrypt", viaSecretsManager(secret)),
    ],
  },
  {
    name: "store a key by `UpdateSecret`",
    needs: [
      secrets("UpdateSecret"),
      kms("GenerateDataKey", viaSecretsManager(secret)),
      kms("Decrypt", viaSecretsManager(secret)),
    ],
  },
  { name: "list the versions of a secret", needs: [secrets("ListSecretVersionIds")] },
  { name: "move a version's label", needs: [secrets("UpdateSecretVersionStage")] },
  {
    name: "start a rotation",
    needs: [secrets("RotateSecret"), lambda("InvokeFunction", "rotate-key")],
  },
  {
    name: "list, revoke and roll back keys, by invoking reconcile-keys",
    needs: [lambda("InvokeFunction", "reconcile-keys")],
  },
  {
    name: "make vend-token and call-method forget their keys",
    needs: ["vend-token", "call-method"].flatMap((name) => [
      lambda("GetFunctionConfiguration", name),
      lambda("UpdateFunctionConfiguration", name),
    ]),
  },
  { name: "change vend-token's code", needs: [lambda("UpdateFunctionCode", "vend-token")] },
  { name: "change call-method's code", needs: [lambda("UpdateFunctionCode", "call-method")] },
  {
    name: "change who may act as a function, and what it may do",
    needs: [iam("UpdateAssumeRolePolicy"), iam("PutRolePolicy")],
  },
  { name: "delete a secret", needs: [secrets("DeleteSecret")] },
  { name: "change a secret's policy", needs: [secrets("PutResourcePolicy")] },
  { name: "change the KMS key's policy", needs: [kms("PutKeyPolicy")] },
  { name: "decrypt with the KMS key directly", needs: [kms("Decrypt")] },
  {
    name: "encrypt another secret with the KMS key",
    needs: [kms("GenerateDataKey", viaSecretsManager(anotherSecret))],
  },
  { name: "invoke vend-token directly, as any caller", needs: [lambda("InvokeFunction", "vend-token")] },
  { name: "invoke call-method directly, as any caller", needs: [lambda("InvokeFunction", "call-method")] },
  {
    name: "change the API's integration, and so write any caller into the event",
    needs: [api("PUT", "/resources/r1/methods/POST/integration")],
  },
  { name: "overwrite the whole API, or its policy", needs: [api("PUT", ""), api("UpdateRestApiPolicy", "")] },
];

/** Why docs/policies/operator.json has each of its actions. */
const operatorActions: Readonly<Record<string, string>> = {
  "secretsmanager:DescribeSecret": "`import`, `bootstrap`, `rotate`: see which version is current or pending",
  "secretsmanager:ListSecretVersionIds":
    "`rotate`: find out whether a pending version is older than the current one",
  "secretsmanager:PutSecretValue": "`import`, `bootstrap`: store a key as the current version",
  "secretsmanager:UpdateSecretVersionStage":
    "`import`, `bootstrap`, `rotate`: take `AWSPENDING` off an older version, or Secrets Manager would " +
    "make that version current; [An unreadable version](runbook.md#an-unreadable-version) by hand",
  "secretsmanager:TagResource":
    "`import`, `bootstrap`: write down the roles of the key, and start the grace again",
  "secretsmanager:RotateSecret": "`rotate`: start a rotation",
  "secretsmanager:CancelRotateSecret": "switch the rotation of a secret off by hand",
  "kms:GenerateDataKey": "`import`, `bootstrap`: encrypt the stored key, through Secrets Manager",
  "kms:Decrypt": "`import`, `bootstrap`: Secrets Manager asks for it whenever a value is stored",
  "kms:Encrypt": "`import`, `bootstrap`: write the replicas, which have a key of their own in each region",
  "lambda:InvokeFunction":
    "`keys`, `revoke`, `rollback`: invoke `reconcile-keys`; `rotate`: AWS asks for it on `rotate-key`",
};

interface Need {
  readonly action: string;
  readonly resource: string;
  readonly resourcePolicy: unknown;
  readonly context: Readonly<Record<string, string | string[]>>;
}

function secrets(action: string): Need {
  return { action: `secretsmanager:${action}`, resource: secret, resourcePolicy: secretPolicy, context: {} };
}
function kms(action: string, context: Need["context"] = {}): Need {
  return { action: `kms:${action}`, resource: key, resourcePolicy: keyPolicy, context };
}
function iam(action: string): Need {
  const resource = `arn:aws:iam::${place.accountId}:role/voximplant-token-vendor-dev-us-east-1-vend-token`;
  return { action: `iam:${action}`, resource, resourcePolicy: undefined, context: {} };
}
function api(action: string, path: string): Need {
  const resource = `arn:aws:apigateway:us-east-1::/restapis/a1b2c3d4e5${path}`;
  return { action: `apigateway:${action}`, resource, resourcePolicy: undefined, context: {} };
}
/**
 * Without the function's own policy: it admits API Gateway alone, which test/infra/api.test.ts
 * proves.
 */
function lambda(action: string, name: string, region = place.region): Need {
  const resource = `arn:aws:lambda:${region}:${place.accountId}:function:voximplant-token-vendor-dev-${name}`;
  return { action: `lambda:${action}`, resource, resourcePolicy: undefined, context: {} };
}

async function can(principal: Principal, needs: readonly Need[]): Promise<boolean> {
  for (const need of needs) {
    // An ARN without an account means a resource of the principal's own account.
    if (need.resource.startsWith("arn:aws:apigateway:") && !principal.arn.includes(`:${place.accountId}:`))
      return false;
    if (!(await isAllowed({ ...need, principal: principal.arn, identityPolicies: principal.policies })))
      return false;
  }
  return true;
}

describe("the policies of the stack", () => {
  it("allow what docs/access.md says", async () => {
    const rows = [];
    for (const { name, needs } of deeds) {
      const cells = [];
      for (const principal of principals) cells.push((await can(principal, needs)) ? "yes" : "–");
      rows.push(`| ${name} | ${cells.join(" | ")} |`);
    }
    const document = `# Who can do what

\`test/infra/access.test.ts\` writes this page. It evaluates the roles, the secret's resource policy
and the key policy of the packaged template together, as IAM does. To update the page after a
change: \`npx vitest run test/infra/access.test.ts -u\`.

| | ${principals.map(({ name }) => name).join(" | ")} |
| --- | ${principals.map(() => "---").join(" | ")} |
${rows.join("\n")}

- \`vend-token\` can read the keys of the service accounts that a grant of tokens names, and no others.
- \`call-method\` exists only if a grant has \`methods\`. It can read the keys of the service accounts
  that such a grant names, and no others.
- Only the functions can read a key. The secret's policy denies it to everyone else,
  administrators included. An administrator can change that policy first. CloudTrail shows this as
  \`PutResourcePolicy\` or \`DeleteResourcePolicy\`.
- An operator stores a key without being able to read it or any other key.
- Anyone who may invoke \`reconcile-keys\` can delete any key of the managed Voximplant accounts, by
  \`revoke --key\` or \`--make-room\`. They cannot read a key.
- \`rotate-key\` and \`reconcile-keys\` store keys. \`reconcile-keys\` does so only in a revocation.
- \`reconcile-keys\` may change the configuration of \`vend-token\` and \`call-method\`, in each region,
  so that warm containers drop a revoked key. It may not change the code. It reads the keys anyway.
- The KMS key works only through Secrets Manager and only for these secrets. No principal can
  decrypt with it directly.
- Anyone who may invoke \`vend-token\` or \`call-method\` directly chooses the identity in the event,
  and so can get the tokens of every caller, or have every method called that any caller is granted.
  Grant \`lambda:InvokeFunction\` by function, never on \`*\`. A service control policy can deny it on
  these functions to everyone.
- Anyone who may change the API can replace its integration by one that writes any \`userArn\` into
  the event: every caller's tokens, without \`lambda:InvokeFunction\`. SECURITY.md has a service
  control policy against it, and \`tripwires: true\` reports it.
- Anyone who may change a function's code or configuration, change its role, or pass its role to
  another function, can act as that function, and so read the keys. The deployer may do all of these,
  because a deployment does them. Guard it like an administrator, and allow
  \`lambda:UpdateFunctionCode\`, \`lambda:UpdateFunctionConfiguration\`, \`iam:PutRolePolicy\`,
  \`iam:UpdateAssumeRolePolicy\` and \`iam:PassRole\` on these functions and roles to no one else.

## One path, one method

Three checks stand before a call: the caller's IAM policy, the API's resource policy, and then, in
the function, the grants. This table evaluates all three for the same grants.yml. A column
names what the caller is granted, and the account that it calls from. The IAM policies are what
\`voxtoken admin iam-policy\` prints: one path for each method that is granted. \`–\` means that API
Gateway refuses (\`not_authorized\`), and the function never sees the request. "grant refuses" means
that IAM lets the request through and the function answers \`access_denied\`.

${await passagesTable()}

- The path of one method allows that method alone: no other method, no token, no other service
  account. From another account the same holds, and an account that the grants do not name reaches
  nothing, whatever its IAM policy says.
- A pattern of a grant stands in the IAM policy as it is. \`*\` and \`?\` mean the same to IAM, except
  that there they also match a slash. That reaches nothing more, because no other route lies below
  \`…/methods/\`, and the function refuses a method whose name contains a slash, encoded or not.
- IAM does not know which methods are sensitive. \`Get*\` lets \`GetSecretValue\` through to the
  function, which refuses it: no wildcard of a grant matches a method that changes or returns keys,
  roles, users or credentials. To stop it at API Gateway too, list the methods by name instead of a
  wildcard.
- IAM and the grants both distinguish upper and lower case. \`startscenarios\` is not
  \`StartScenarios\`.

## The operator's policy

Why [policies/operator.json](policies/operator.json) has each action:

| action | what for |
| --- | --- |
${Object.entries(operatorActions)
  .map(([action, purpose]) => `| \`${action}\` | ${purpose} |`)
  .join("\n")}
`;
    const formatted = await format(document, { parser: "markdown", printWidth: 110 });
    await expect(formatted).toMatchFileSnapshot("../../docs/access.md");
  });

  it("have a reason for each action of the operator's policy", () => {
    const { Statement } = operatorPolicy as { Statement: readonly { Action: string | string[] }[] };
    const granted = Statement.flatMap(({ Action }) => Action);
    expect([...new Set(granted)].sort()).toEqual(Object.keys(operatorActions).sort());
  });

  it.each(["operator, with docs/policies/operator.json", "administrator, with every permission"])(
    "deny the %s to read the value, and allow the import",
    async (name) => {
      const principal = principals.find((candidate) => candidate.name === name);
      if (principal === undefined) throw new Error(`no principal ${name}`);
      const need = (deed: string) => deeds.find((candidate) => candidate.name === deed)?.needs ?? [];
      expect(await can(principal, need("read a key"))).toBe(false);
      expect(await can(principal, need("store a key"))).toBe(true);
    },
  );

  it("let only the deployer change the API and call the function, with SECURITY.md's service control policy", async () => {
    const page = readFileSync(resolve(import.meta.dirname, "../../SECURITY.md"), "utf8");
    const [, json = ""] = /```json\n(.*?)```/s.exec(page) ?? [];
    const serviceControlPolicy: unknown = JSON.parse(
      json
        .replaceAll("API_ID", "a1b2c3d4e5")
        .replaceAll("ACCOUNT_ID", place.accountId)
        .replaceAll("DEPLOYER", "deployment"),
    );
    const needsOf = (deed: string) => deeds.find(({ name }) => name.startsWith(deed))?.needs ?? [];
    const allowed = async (name: string, deed: string) => {
      const principal = principals.find((one) => one.name.startsWith(name));
      const [need] = needsOf(deed);
      if (principal === undefined || need === undefined) throw new Error(`no ${name} or no ${deed}`);
      return isAllowed({
        ...need,
        principal: principal.arn,
        identityPolicies: principal.policies,
        serviceControlPolicy,
      });
    };
    for (const name of ["developer", "administrator"]) {
      expect(await allowed(name, "change the API's integration")).toBe(false);
      expect(await allowed(name, "overwrite the whole API")).toBe(false);
      expect(await allowed(name, "invoke vend-token directly")).toBe(false);
      expect(await allowed(name, "invoke call-method directly")).toBe(false);
    }
    expect(await allowed("deployer", "change the API's integration")).toBe(true);
    expect(await allowed("administrator", "delete a secret")).toBe(true);
  });

  it("would fail this test if a role had one more action", async () => {
    const [vend] = principals;
    if (vend === undefined) throw new Error("no principal");
    const more = { ...vend, policies: [...vend.policies, everything] };
    expect(await can(vend, [secrets("PutSecretValue")])).toBe(false);
    expect(await can(more, [secrets("PutSecretValue")])).toBe(true);
  });

  it("would fail this test if a secret had no policy", async () => {
    const administrator = principals.find(({ name }) => name.startsWith("administrator"));
    if (administrator === undefined) throw new Error("no principal");
    const bare = { ...secrets("GetSecretValue"), resourcePolicy: undefined };
    expect(await can(administrator, [secrets("GetSecretValue")])).toBe(false);
    expect(await can(administrator, [bare])).toBe(true);
  });

  it.each(["rotate-key", "reconcile-keys"])(
    "let %s encrypt and store a key in our secrets only",
    async (name) => {
      const principal = principals.find((candidate) => candidate.name === name);
      if (principal === undefined) throw new Error(`no principal ${name}`);
      const put = secrets("PutSecretValue");
      expect(await can(principal, [put, kms("GenerateDataKey", viaSecretsManager(secret))])).toBe(true);
      expect(await can(principal, [{ ...put, resource: anotherSecret }])).toBe(false);
      expect(await can(principal, [kms("GenerateDataKey", viaSecretsManager(anotherSecret))])).toBe(false);
      expect(await can(principal, [kms("GenerateDataKey")])).toBe(false);
    },
  );

  it("keeps call-method from storing a key, and from every secret but those of its grants", async () => {
    const callMethod = principals.find(({ name }) => name === "call-method");
    if (callMethod === undefined) throw new Error("no principal call-method");
    const needs = (deed: string) => deeds.find(({ name }) => name === deed)?.needs ?? [];
    expect(await can(callMethod, needs("read a key"))).toBe(true);
    // Each side refuses by itself: the role does not name the secret, and the secret not the role.
    const [read] = needs("read a key that no grant of methods names");
    if (read === undefined) throw new Error("no need");
    const asRoleWith = (policies: readonly unknown[]) => ({ ...callMethod, policies });
    expect(await can(callMethod, [{ ...read, resourcePolicy: undefined }])).toBe(false);
    expect(await can(asRoleWith([everything]), [read])).toBe(false);
    expect(await can(asRoleWith([everything]), [{ ...read, resourcePolicy: undefined }])).toBe(true);
    for (const deed of deeds.filter(({ name }) => name !== "read a key"))
      expect([deed.name, await can(callMethod, deed.needs)]).toEqual([deed.name, false]);
  });

  it.each(["vend-token", "call-method"])(
    "lets reconciliation change %s in each region of the deployment, and there alone",
    async (name) => {
      const twoRegions = functionRole(
        "reconcile-keys",
        "ReconcileKeysRole",
        stackOf({ replicaRegions: "eu-west-1" }),
      );
      const changeIn = (region: string) => lambda("UpdateFunctionConfiguration", name, region);
      expect(await can(twoRegions, [changeIn("us-east-1")])).toBe(true);
      expect(await can(twoRegions, [changeIn("eu-west-1")])).toBe(true);
      expect(await can(twoRegions, [changeIn("eu-north-1")])).toBe(false);
      expect(await can(twoRegions, [lambda("UpdateFunctionConfiguration", "rotate-key")])).toBe(false);
    },
  );

  describe("with replicas in another region", () => {
    const values = { primaryRegion: "us-east-1", replicaRegions: "eu-west-1", replicate: "all" };
    const primary = stackOf(values);
    const there = { accountId: place.accountId, region: "eu-west-1" };
    const secondary = stackOf(values, { region: "eu-west-1" });
    const replicaKey = String(
      resolveIntrinsics({ "Fn::GetAtt": ["SigningKeysKey", "Arn"] }, secondary, there),
    );
    const replicaKeyPolicy = resolveIntrinsics(
      property(secondary.Resources["SigningKeysKey"], "KeyPolicy"),
      secondary,
      there,
    );
    const onReplicaKey = (action: string, secretArn: string, alias = "dev"): Need => ({
      action: `kms:${action}`,
      resource: replicaKey,
      resourcePolicy: replicaKeyPolicy,
      context: {
        ...viaSecretsManager(secretArn),
        "kms:ResourceAliases": [`alias/voximplant-token-vendor-${alias}-signing-keys`],
      },
    });

    it.each(["rotate-key", "reconcile-keys", "operator, with docs/policies/operator.json"])(
      "let %s write the replicas, under the key of their region",
      async (name) => {
        const [role = ""] =
          { "rotate-key": ["RotateKeyRole"], "reconcile-keys": ["ReconcileKeysRole"] }[name] ?? [];
        const principal =
          role === "" ? principals.find((one) => one.name === name) : functionRole(name, role, primary);
        if (principal === undefined) throw new Error(`no principal ${name}`);
        for (const action of ["Encrypt", "GenerateDataKey"]) {
          expect(await can(principal, [onReplicaKey(action, secret)])).toBe(true);
          expect(await can(principal, [onReplicaKey(action, anotherSecret)])).toBe(false);
          expect(await can(principal, [onReplicaKey(action, secret, "prod")])).toBe(false);
        }
        expect(await can(principal, [onReplicaKey("Decrypt", secret)])).toBe(false);
      },
    );

    it("let an operator with docs/policies/operator-failover.json store a key there, and read none", async () => {
      const operator = principals.find(({ name }) => name.startsWith("operator"));
      if (operator === undefined) throw new Error("no operator");
      const both = { ...operator, policies: [operatorPolicy, policyFile("operator-failover")] };
      const replica = secret.replace("us-east-1", "eu-west-1");
      const onReplica = (action: string): Need => ({ ...secrets(action), resource: replica });
      const needs = [
        onReplica("StopReplicationToReplica"),
        onReplica("PutSecretValue"),
        ...["GenerateDataKey", "Decrypt"].map((action) => {
          const need = onReplicaKey(action, replica);
          const via = "secretsmanager.eu-west-1.amazonaws.com";
          return { ...need, context: { ...need.context, "kms:ViaService": via } };
        }),
        secrets("ReplicateSecretToRegions"),
      ];
      for (const need of needs) expect([need.action, await can(both, [need])]).toEqual([need.action, true]);
      expect(await can(operator, needs)).toBe(false);
      expect(await can(both, [onReplica("GetSecretValue")])).toBe(false);
    });

    it.each([
      ["vend-token", "VendTokenRole"],
      ["call-method", "CallMethodRole"],
    ])("lets %s write none, and read the replica of its region", async (name, logicalId) => {
      const here = functionRole(name, logicalId, primary);
      expect(await can(here, [onReplicaKey("GenerateDataKey", secret)])).toBe(false);
      const other = functionRole(name, logicalId, secondary, there);
      const replica = secret.replace("us-east-1", "eu-west-1");
      const read: Need = { ...secrets("GetSecretValue"), resource: replica };
      const via = {
        ...viaSecretsManager(replica),
        "kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com",
      };
      const decrypt: Need = {
        action: "kms:Decrypt",
        resource: replicaKey,
        resourcePolicy: replicaKeyPolicy,
        context: via,
      };
      const policyOfPrimary = resolveIntrinsics(
        property(primary.Resources[`${secretId}Policy`], "ResourcePolicy"),
        primary,
        place,
      );
      expect(await can(other, [{ ...read, resourcePolicy: policyOfPrimary }, decrypt])).toBe(true);
    });
  });

  describe("with cloudFormationReadsSecrets,", () => {
    const deployer = `arn:aws:iam::${place.accountId}:role/deployer`;
    const withDeployer = stackOf({ cloudFormationReadsSecrets: "true", deployerArn: deployer });
    const resourcePolicy = resolveIntrinsics(
      property(withDeployer.Resources[`${secretId}Policy`], "ResourcePolicy"),
      withDeployer,
      place,
    );
    const reads = (principal: string, calledVia?: string) =>
      isAllowed({
        ...secrets("GetSecretValue"),
        principal,
        identityPolicies: [everything],
        resourcePolicy,
        context: calledVia === undefined ? {} : { "aws:CalledVia": [calledVia] },
      });
    const session = `arn:aws:sts::${place.accountId}:assumed-role/deployer/session`;
    const other = `arn:aws:sts::${place.accountId}:assumed-role/admin/session`;

    it("let CloudFormation read a secret only on behalf of the deployer", async () => {
      expect(await reads(session, "cloudformation.amazonaws.com")).toBe(true);
      expect(await reads(session)).toBe(false);
      expect(await reads(session, "athena.amazonaws.com")).toBe(false);
      expect(await reads(other, "cloudformation.amazonaws.com")).toBe(false);
      expect(await reads(other)).toBe(false);
    });

    it("does not let deployerArn alone read anything", () => {
      const policyOf = (stack: typeof withDeployer) => stack.Resources[`${secretId}Policy`];
      expect(policyOf(stackOf({ deployerArn: deployer }))).toEqual(policyOf(stackOf()));
    });
  });

  it("lets reconciliation set the tags of this project, and no other", async () => {
    const reconcile = principals.find(({ name }) => name === "reconcile-keys");
    if (reconcile === undefined) throw new Error("no principal");
    const tag = (name: string) => ({ ...secrets("TagResource"), context: { "aws:TagKeys": [name] } });
    for (const name of [ROLES_TAG, COPIES_TAG, GRACE_TAG])
      expect(await can(reconcile, [tag(name)])).toBe(true);
    expect(await can(reconcile, [tag("team")])).toBe(false);
  });
});
