import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { format } from "prettier";
import { describe, expect, it } from "vitest";
import { stackOf } from "./describe.ts";
import { property } from "./promises.ts";
import { resolveIntrinsics } from "./resolve.ts";
import { isAllowed } from "./simulate.ts";

const place = { accountId: "999988887777", region: "us-east-1" };
const stack = stackOf();
const resolved = (value: unknown) => resolveIntrinsics(value, stack, place);

const secretId = "SecretVoximplantOutboundCalls09ae40ea";
const secret = String(resolved({ Ref: secretId }));
const anotherSecret = secret.replace("outbound-calls", "not-ours");
const key = String(resolved({ "Fn::GetAtt": ["SigningKeysKey", "Arn"] }));
const secretPolicy = resolved(property(stack.Resources[`${secretId}Policy`], "ResourcePolicy"));
const keyPolicy = resolved(property(stack.Resources["SigningKeysKey"], "KeyPolicy"));

interface Principal {
  readonly name: string;
  readonly arn: string;
  readonly policies: readonly unknown[];
}

const functionRole = (name: string, logicalId: string): Principal => {
  const role = String(resolved({ "Fn::GetAtt": [logicalId, "Arn"] })).split("/")[1] ?? "";
  const policies = property(stack.Resources[logicalId], "Policies") as readonly { PolicyDocument: unknown }[];
  return {
    name,
    arn: `arn:aws:sts::${place.accountId}:assumed-role/${role}/session`,
    policies: policies.map(({ PolicyDocument }) => resolved(PolicyDocument)),
  };
};
const everything = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }] };
const operatorPolicy: unknown = JSON.parse(
  readFileSync(resolve(import.meta.dirname, "../../docs/policies/operator.json"), "utf8")
    .replaceAll("ACCOUNT_ID", place.accountId)
    .replaceAll("REGION", place.region)
    .replaceAll("STAGE", "dev"),
);

const principals: readonly Principal[] = [
  functionRole("vend-token", "VendTokenRole"),
  functionRole("rotate-key", "RotateKeyRole"),
  functionRole("reconcile-keys", "ReconcileKeysRole"),
  {
    name: "operator, with docs/policies/operator.json",
    arn: `arn:aws:sts::${place.accountId}:assumed-role/operator/session`,
    policies: [operatorPolicy],
  },
  {
    name: "deployer or administrator, with every permission",
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

/** What somebody does, as the requests that AWS checks: all have to be allowed. */
const deeds: readonly { readonly name: string; readonly needs: readonly Need[] }[] = [
  { name: "read a key", needs: [secrets("GetSecretValue"), kms("Decrypt", viaSecretsManager(secret))] },
  {
    name: "import a key",
    needs: [
      secrets("PutSecretValue"),
      kms("GenerateDataKey", viaSecretsManager(secret)),
      kms("Decrypt", viaSecretsManager(secret)),
    ],
  },
  { name: "start a rotation", needs: [secrets("RotateSecret")] },
  { name: "move a version's label", needs: [secrets("UpdateSecretVersionStage")] },
  { name: "delete a secret", needs: [secrets("DeleteSecret")] },
  { name: "change a secret's policy", needs: [secrets("PutResourcePolicy")] },
  { name: "change the KMS key's policy", needs: [kms("PutKeyPolicy")] },
  { name: "decrypt with the KMS key directly", needs: [kms("Decrypt")] },
  {
    name: "encrypt another secret with the KMS key",
    needs: [kms("GenerateDataKey", viaSecretsManager(anotherSecret))],
  },
  { name: "invoke vend-token directly, in anybody's name", needs: [lambda("vend-token")] },
];

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
/** Without the function's own policy: it admits API Gateway alone, which test/infra/api.test.ts holds. */
function lambda(name: string): Need {
  const resource = `arn:aws:lambda:${place.region}:${place.accountId}:function:voximplant-token-vendor-dev-${name}`;
  return { action: "lambda:InvokeFunction", resource, resourcePolicy: undefined, context: {} };
}

async function can(principal: Principal, needs: readonly Need[]): Promise<boolean> {
  for (const need of needs) {
    if (!(await isAllowed({ ...need, principal: principal.arn, identityPolicies: principal.policies })))
      return false;
  }
  return true;
}

describe("who can do what with a key", () => {
  it("is what docs/access.md says", async () => {
    const rows = [];
    for (const { name, needs } of deeds) {
      const cells = [];
      for (const principal of principals) cells.push((await can(principal, needs)) ? "yes" : "–");
      rows.push(`| ${name} | ${cells.join(" | ")} |`);
    }
    const document = `# Who can do what

This page is made by \`test/infra/access.test.ts\`, which evaluates the roles, the secret's resource policy and the key
policy of the packaged template together, as IAM would. After a change on purpose: \`npx vitest run test/infra/access.test.ts -u\`.

| | ${principals.map(({ name }) => name).join(" | ")} |
| --- | ${principals.map(() => "---").join(" | ")} |
${rows.join("\n")}

- Nobody reads a key but the three functions: the secret's policy denies it to everyone else, administrators included. An
  administrator can change that policy first; CloudTrail shows it as \`PutResourcePolicy\` or \`DeleteResourcePolicy\`.
- An operator imports a key without being able to read it, or any other.
- The KMS key serves Secrets Manager alone, and these secrets alone. Nobody decrypts with it directly.
- Whoever may invoke vend-token directly writes the identity in the event, and so has every caller's tokens. Grant
  \`lambda:InvokeFunction\` by function, never on \`*\`; a service control policy can deny it on this one to everybody.
- Whoever may change a function's code or configuration, or pass its role to another function, acts as that function. Keep
  \`lambda:UpdateFunctionCode\`, \`lambda:UpdateFunctionConfiguration\` and \`iam:PassRole\` on these roles to the deployment.
`;
    const formatted = await format(document, { parser: "markdown", printWidth: 110 });
    await expect(formatted).toMatchFileSnapshot("../../docs/access.md");
  });

  it.each(["operator, with docs/policies/operator.json", "deployer or administrator, with every permission"])(
    "keeps the value from the %s, who can nevertheless import",
    async (name) => {
      const principal = principals.find((candidate) => candidate.name === name);
      if (principal === undefined) throw new Error(`no principal ${name}`);
      const need = (deed: string) => deeds.find((candidate) => candidate.name === deed)?.needs ?? [];
      expect(await can(principal, need("read a key"))).toBe(false);
      expect(await can(principal, need("import a key"))).toBe(true);
    },
  );

  it("would show an action that a role has too many", async () => {
    const [vend] = principals;
    if (vend === undefined) throw new Error("no principal");
    const more = { ...vend, policies: [...vend.policies, everything] };
    expect(await can(vend, [secrets("PutSecretValue")])).toBe(false);
    expect(await can(more, [secrets("PutSecretValue")])).toBe(true);
  });

  it("would show a secret without its policy", async () => {
    const deployer = principals[4];
    if (deployer === undefined) throw new Error("no principal");
    const bare = { ...secrets("GetSecretValue"), resourcePolicy: undefined };
    expect(await can(deployer, [secrets("GetSecretValue")])).toBe(false);
    expect(await can(deployer, [bare])).toBe(true);
  });

  it("lets reconciliation set the one tag that it keeps, and no other", async () => {
    const reconcile = principals[2];
    if (reconcile === undefined) throw new Error("no principal");
    const tag = (name: string) => ({ ...secrets("TagResource"), context: { "aws:TagKeys": [name] } });
    expect(await can(reconcile, [tag("voximplant-token-vendor:roles")])).toBe(true);
    expect(await can(reconcile, [tag("team")])).toBe(false);
    expect(await can(reconcile, [secrets("TagResource")])).toBe(false);
  });
});
