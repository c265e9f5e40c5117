import * as z from "zod";
import { METHOD_NAME } from "../voximplant/method-name.ts";
import { METHOD_PATTERN } from "./methods.ts";
import { MAX_TTL_SECONDS, MIN_TTL_SECONDS } from "./policy.ts";
import { parseTime, parseUntil } from "./until.ts";
import type { Path } from "./yaml-value.ts";

/**
 * The shape of grants.yml, and the source of grants.schema.json. references.ts checks what needs
 * more than one field: which names exist, which principals collide. Every `error` completes the
 * sentence "this …".
 */

const ttlError = `must be a whole number of seconds from ${MIN_TTL_SECONDS} to ${MAX_TTL_SECONDS}`;
const ttlSeconds = z.int({ error: ttlError }).min(MIN_TTL_SECONDS).max(MAX_TTL_SECONDS);

const nameError = "must be 1 to 64 of a-z, 0-9 and -";
export const serviceAccountName = z.string({ error: nameError }).regex(/^[a-z0-9-]{1,64}$/);

const secretError =
  "must be the name of a Secrets Manager secret (not its ARN): 1 to 512 of A-Z, a-z, 0-9 and /_+=.@-";
const accountIdError = "must be the id of a Voximplant account: a whole number, without quotes";
const keyIdError = "must be the id of a Voximplant key, as GetKeys shows it";

const serviceAccount = z
  .strictObject(
    {
      secret: z
        .string({ error: secretError })
        .max(512)
        .regex(/^(?:[\w/+=.@-]|\$\{stage\})+$/)
        .describe(
          "Name of the Secrets Manager secret. Its value is the credentials file that Voximplant gave, unchanged. " +
            "${stage} stands for the stage that is deployed.",
        ),
      maxTtlSeconds: ttlSeconds
        .default(MAX_TTL_SECONDS)
        .describe("Longest lifetime of a token, in seconds, even if a grant allows more."),
      claims: z
        .enum(["standard", "minimal"], { error: 'must be "standard" or "minimal"' })
        .default("standard")
        .describe("`minimal` leaves `sub` and `jti` out of the token."),
      accountId: z
        .int({ error: accountIdError })
        .min(1)
        .optional()
        .describe("The Voximplant account that its key must belong to. A key of another account is refused."),
      unmanagedKeys: z
        .array(z.string({ error: keyIdError }).regex(/^[\w-]{1,64}$/), {
          error: "must be a list of key ids",
        })
        .default([])
        .describe("Ids of this account's keys that others use on purpose. Reconciliation leaves them alone."),
      unknownKeys: z
        .enum(["report", "delete"], { error: 'must be "report" or "delete"' })
        .default("report")
        .describe("What reconciliation does with a key that no secret holds."),
    },
    { error: "must be a mapping with at least a `secret`" },
  )
  .describe("A Voximplant service account: one key, in one secret, with one set of roles.");

const principalArn = z
  .string({ error: "must be the ARN of an IAM role or user" })
  .meta({ pattern: "^arn:[a-z-]+:iam::([0-9?]{12}|[0-9?]*[*][0-9*?]*):(role|user)/.+$" })
  .describe(
    "ARN of an IAM role or user. `*` is any run of characters, `?` exactly one. Sessions, accounts and root are refused.",
  );

const uniqueIdError =
  "must be the unique id of a role (AROA…) or a user (AIDA…), as `aws iam get-role` shows it";
const uniqueId = z.string({ error: uniqueIdError }).regex(/^(AROA|AIDA)[A-Z0-9]{4,124}$/);
const pinnedPrincipal = z.strictObject(
  {
    arn: principalArn,
    uniqueId: uniqueId
      .optional()
      .describe("Only this very role (AROA…) or user (AIDA…), not one made later under the same name."),
  },
  { error: "must have the field `arn`, and may have `uniqueId`" },
);

const childIdError = "must be the id of a child account: a whole number, without quotes";
const childAccountId = z.int({ error: childIdError }).min(1);
const orgError = "must be the id of an AWS organisation: o- and 10 to 32 of a-z and 0-9";
const organizationId = z.string({ error: orgError }).regex(/^o-[a-z0-9]{10,32}$/);

const methodError = "must be the name of a method: 1 to 64 letters, digits, _ and the wildcards * and ?";

const untilError =
  "must be the grant's last day in UTC, such as 2026-12-31, or a time with its offset, " +
  "such as 2026-12-31T18:00:00+01:00";

const grant = z
  .strictObject(
    {
      principals: z
        .array(
          z.union([principalArn, pinnedPrincipal], {
            error: "must be an ARN, or a mapping with `arn` and `uniqueId`",
          }),
          { error: "must be a list of ARNs" },
        )
        .min(1, { error: "must name at least one role or user" })
        .describe("The IAM roles and users that get what the grant gives."),
      serviceAccounts: z
        .array(z.string({ error: "must be the name of a service account (quote a number)" }), {
          error: "must be a list of names from the serviceAccounts of this file",
        })
        .min(1, { error: "must name at least one service account" })
        .describe("Names from the serviceAccounts of this file."),
      maxTtlSeconds: ttlSeconds
        .default(MAX_TTL_SECONDS)
        .describe("Longest lifetime of a token under this grant, in seconds."),
      childAccountIds: z
        .array(childAccountId, { error: "must be a list of account ids" })
        .default([])
        .describe("Voximplant child accounts that the caller may ask for, besides the key's own account."),
      principalOrgId: organizationId
        .optional()
        .describe("The caller's AWS organisation. Required where the account in a principal is a wildcard."),
      methods: z
        .array(z.string({ error: methodError }).regex(METHOD_PATTERN), {
          error: "must be a list of methods",
        })
        .min(1, { error: "must name at least one method (without methods the grant gives tokens)" })
        .optional()
        .describe(
          "Methods that the vendor calls for these callers. Names may contain `*` and `?`. Such a grant gives no token.",
        ),
      until: z
        .string({ error: untilError })
        .refine((text) => parseUntil(text) !== undefined)
        .optional()
        .describe("The grant's last day (UTC), or a time with its offset. No token outlives it."),
    },
    { error: "must be a mapping with `principals` and `serviceAccounts`" },
  )
  .describe(
    "Who may get tokens of which service account, or let the vendor call methods with its key. Grants for one caller add up.",
  );

const timeError = "must be a time with its offset, as 2026-12-31T18:00:00+01:00";
const methodNameError = "must be the name of a method, without wildcards";

const test = z
  .strictObject(
    {
      principal: z
        .string({ error: "must be the ARN of one IAM role or user" })
        .describe("ARN of the role or user that asks, without wildcards."),
      serviceAccount: z
        .string({ error: "must be the name of a service account" })
        .describe("Name from the serviceAccounts of this file."),
      uniqueId: uniqueId
        .optional()
        .describe("The principal's unique id (AROA… or AIDA…), if a grant has a uniqueId."),
      principalOrgId: organizationId
        .optional()
        .describe("The principal's AWS organisation, if a grant has a principalOrgId."),
      ttlSeconds: ttlSeconds.optional().describe("The lifetime it asks for."),
      accountId: childAccountId.optional().describe("The child account it asks for."),
      method: z
        .string({ error: methodNameError })
        .regex(METHOD_NAME)
        .optional()
        .describe("The method to call. Without it, the request is for a token."),
      at: z
        .string({ error: timeError })
        .refine((text) => parseTime(text) !== undefined)
        .optional()
        .describe("The time of the request. Default: the time when the tests run."),
      expect: z
        .enum(["allowed", "denied"], { error: 'must be "allowed" or "denied"' })
        .describe("What the decision must be."),
    },
    { error: "must be a mapping with `principal`, `serviceAccount` and `expect`" },
  )
  .describe("A request, and whether it must be allowed. A test that fails stops every build.");

export const grantsFile = z
  .strictObject(
    {
      serviceAccounts: z
        .record(serviceAccountName, serviceAccount, {
          error: "must be a mapping from names to service accounts ({} for none)",
        })
        .describe("The service accounts, by the name that callers put into the request's path."),
      grants: z
        .array(grant, { error: "must be a list of grants ([] for none)" })
        .describe("Deny by default: only what stands here is allowed. The order does not matter."),
      tests: z
        .array(test, { error: "must be a list of tests" })
        .default([])
        .describe("Requests that must be allowed or denied. A test that fails stops every build."),
    },
    { error: "must be a mapping with `serviceAccounts` and `grants`" },
  )
  .describe(
    "Which IAM principal may get tokens of which Voximplant service account, or let the vendor call methods with its key.",
  );

export type GrantsFile = z.output<typeof grantsFile>;

/**
 * grants.schema.json, with which editors complete and check a grants file. It has only the shape;
 * `voxtoken admin lint` also checks that names exist and principals do not collide.
 */
export function grantsJsonSchema(): object {
  // Draft 7 is what the YAML extensions of editors understand best.
  const { $schema, ...schema } = z.toJSONSchema(grantsFile, {
    target: "draft-7",
    io: "input",
    // Editors show `markdownDescription` as Markdown, with code in a code font.
    override: ({ jsonSchema }) => {
      if (jsonSchema.description !== undefined) jsonSchema["markdownDescription"] = jsonSchema.description;
    },
  });
  return { $schema, title: "grants.yml of voximplant-token-vendor", ...schema };
}

/** The fields that are allowed at a path of the file. */
export function fieldsAt(path: Path): string[] {
  const [section] = path;
  if (path.length === 0) return Object.keys(grantsFile.shape);
  if (path.length > 2) return Object.keys(pinnedPrincipal.shape);
  if (section === "tests") return Object.keys(test.shape);
  return Object.keys(section === "grants" ? grant.shape : serviceAccount.shape);
}
