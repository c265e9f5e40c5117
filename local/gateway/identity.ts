import * as z from "zod";

const accountId = z.string().regex(/^\d{12}$/, "must be a string of 12 digits");

const identity = z.strictObject({
  // AWS's own have 16 characters or more; its examples (`AKIDEXAMPLE`) have fewer.
  accessKeyId: z.string().regex(/^\w{1,128}$/, "must be 1 to 128 letters and digits"),
  secretAccessKey: z.string().min(1),
  /** Required in every request with temporary credentials. */
  sessionToken: z.string().min(1).optional(),
  userArn: z.string().startsWith("arn:", "must be an ARN"),
  /** `AROA…:session` of a role session, `AIDA…` of a user. */
  userId: z.string().min(1),
  accountId,
  principalOrgId: z
    .string()
    .regex(/^o-[a-z0-9]{10,32}$/, "must be an organisation's id, like o-a1b2c3d4e5")
    .optional(),
  /**
   * What the caller's IAM policy allows. Each entry is a method and a path, in the form of what
   * comes after the stage in a resource that `voxtoken admin iam-policy` prints. `*` and `?` are
   * wildcards. Without the list, the policy allows everything.
   */
  invoke: z
    .array(
      z
        .string()
        .regex(
          /^([A-Z*?]+\/\S*|\*)$/,
          "must be a method and a path, like POST/v1/service-accounts/outbound-calls/token",
        ),
    )
    .optional(),
});

/** The identity of an access key, as IAM reports it to API Gateway. */
export type Identity = z.infer<typeof identity>;

const identities = z
  .array(identity)
  .min(1, "must name one identity at least")
  .refine((list) => new Set(list.map((one) => one.accessKeyId)).size === list.length, {
    error: "must not name an accessKeyId twice",
  });

/**
 * The file of identities cannot be used. The message names the wrong field, and never its value.
 */
export class IdentitiesError extends Error {
  override readonly name = "IdentitiesError";
}

/** Reads a file of identities. @throws IdentitiesError */
export function parseIdentities(text: string, fileName: string): Identity[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // Without the parser's message: it quotes the text, which holds secret keys.
    throw new IdentitiesError(`${fileName}: is not JSON.`);
  }
  const parsed = identities.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue?.path
    .map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`))
    .join("");
  throw new IdentitiesError(
    `${fileName}: ${place ?? ""} ${issue?.message ?? "is not valid"}; see local/identities.json.`,
  );
}
