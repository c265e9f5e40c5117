import * as z from "zod";
import { serviceAccountsFor, type Policy } from "../lib/grants/policy.ts";
import { CALL_DEADLINE_MS } from "../lib/http/wire.ts";
import { graceMs } from "../lib/key-lifecycle/grace.ts";
import { REGION } from "../lib/partitions.ts";

/**
 * The parameters of a deployment, as `params` in serverless.yml gives them: strings, where an empty
 * one means "not wanted". serverless.yml documents each and has the defaults.
 */
const list = z
  .string()
  .transform((text) => text.split(",").flatMap((part) => (part.trim() === "" ? [] : [part.trim()])));
const listOf = (pattern: RegExp, what: string) => list.pipe(z.array(z.string().regex(pattern, what)));
const optional = (pattern: RegExp, what: string) =>
  z
    .string()
    .regex(new RegExp(`^$|${pattern.source}`), what)
    .transform((text) => (text === "" ? undefined : text));
/** Decimal digits only, because the functions read the same text: lib/configuration.ts. */
const whole = (minimum: number, maximum: number) =>
  z.coerce
    .string()
    .regex(/^\d+$/, "a whole number")
    .transform(Number)
    .pipe(z.number().min(minimum).max(maximum));
const optionalWhole = (minimum: number, maximum: number) =>
  z.union([z.literal("").transform(() => undefined), whole(minimum, maximum)]);
const flag = z.enum(["true", "false"], "true or false").transform((text) => text === "true");

/** `team=voice,cost=42`. https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html */
const tags = list.pipe(
  z
    .array(
      z.string().regex(/^(?!aws:)[\w .:/+@-]{1,128}=[\w .:/=+@-]{0,256}$/, "name=value, separated by commas"),
    )
    .max(50)
    .transform((pairs) =>
      pairs.map((pair) => {
        const [Key = "", ...value] = pair.split("=");
        return { Key, Value: value.join("=") };
      }),
    )
    .refine((pairs) => new Set(pairs.map(({ Key }) => Key)).size === pairs.length, "each name once"),
);

const regionName = new RegExp(`^${REGION}$`);

/** The values that CloudWatch Logs accepts. */
const retentionDays = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

const parameters = z.strictObject({
  grants: z.string().min(1, "the path of a grants file"),
  throttlingRateLimit: whole(1, 10_000),
  throttlingBurstLimit: whole(1, 5_000),
  reservedConcurrency: optionalWhole(1, 10_000),
  callThrottlingRateLimit: whole(1, 10_000),
  callThrottlingBurstLimit: whole(1, 5_000),
  callReservedConcurrency: optionalWhole(1, 10_000),
  signingKeyTtlSeconds: whole(1, 86_400),
  signingKeyMaxStaleSeconds: whole(0, 86_400),
  voximplantApiUrl: z.string().regex(/^https:\/\/\S+$/, "an https:// URL"),
  secrets: z.enum(["create", "existing"], "create or existing"),
  rotate: list,
  rotationDays: whole(1, 1_000),
  replicate: list,
  // An alarm covers three turns of reconciliation, and CloudWatch allows a day at most.
  reconcileMinutes: whole(1, 480),
  logRetentionDays: z.coerce
    .number()
    .refine((days) => retentionDays.includes(days), `one of ${retentionDays.join(", ")}`),
  retainLogs: flag,
  encryptLogs: flag,
  apiGatewayLogRole: z.enum(["create", "existing"], "create or existing"),
  auditDestinationArn: optional(
    /^arn:[a-z-]+:logs:[a-z0-9-]+:\d{12}:destination:.+$/,
    "the ARN of a CloudWatch Logs destination",
  ),
  alarmTopicArn: optional(/^arn:[a-z-]+:sns:[a-z0-9-]+:\d{12}:[\w-]+$/, "the ARN of an SNS topic"),
  runbookUrl: optional(/^https:\/\/\S+$/, "an https:// URL"),
  tripwires: flag,
  alarmEmail: optional(/^[^@\s]+@[^@\s]+$/, "an e-mail address"),
  latencyAlarmMilliseconds: whole(1, 29_000),
  platformLatencyAlarmMilliseconds: whole(1, CALL_DEADLINE_MS),
  refusalsAlarmCount: whole(1, 1_000_000),
  quietAlarmMinutes: optionalWhole(1, 1_440),
  vpcEndpointIds: listOf(/^vpce-[0-9a-f]+$/, "ids of VPC endpoints, as vpce-0a1b2c3d"),
  domainName: optional(/^([a-z0-9-]+\.)+[a-z]+$/, "a domain name, as tokens.example.com"),
  // API Gateway's mapping of a REST API takes one segment: https://github.com/aws/aws-cdk/issues/14822
  basePath: optional(/^[\w.-]+$/, "one segment of a path, without slashes, as tokens"),
  certificateArn: optional(/^arn:[a-z-]+:acm:.+:certificate\/.+$/, "the ARN of an ACM certificate"),
  hostedZoneId: optional(/^Z[A-Z0-9]+$/, "the id of a Route 53 hosted zone"),
  kmsKeyArn: optional(/^arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key\/[\w-]+$/, "the ARN of a KMS key"),
  permissionsBoundaryArn: optional(/^arn:[a-z-]+:iam::(\d{12}|aws):policy\/\S+$/, "the ARN of an IAM policy"),
  rolePath: z.string().regex(/^\/([\w+=,.@-]+\/)*$/, "/ or a path between slashes, as /teams/voice/"),
  cloudFormationReadsSecrets: flag,
  deployerArn: optional(/^arn:[a-z-]+:iam::\d{12}:role\/\S+$/, "the ARN of a role"),
  tags,
  primaryRegion: optional(regionName, "an AWS region"),
  replicaRegions: listOf(regionName, "AWS regions, separated by commas"),
});

export const parameterNames = Object.keys(parameters.shape);

export interface Options extends z.infer<typeof parameters> {
  /** `<service>-<stage>`: the prefix of everything that has a name. */
  readonly prefix: string;
  readonly stage: string;
  readonly region: string;
  /**
   * Whether this is not the primary region. Then the secrets here are replicas, and the functions
   * that rotate them run in the primary region.
   */
  readonly secondary: boolean;
  /** Whether a grant has methods. If so, the stack has call-method and its resources. */
  readonly callsMethods: boolean;
}

export class DeploymentError extends Error {
  override readonly name = "DeploymentError";
}

/**
 * Reads a deployment's parameters. Reports all wrong values at once. If there is none, it reports
 * all contradictions between them.
 * @throws DeploymentError naming each wrong parameter and what it accepts.
 */
export function parseOptions(
  policy: Policy,
  deployment: { service: string; stage: string; region: string },
  values: Readonly<Record<string, string>>,
): Options {
  const problems: string[] = [];
  const parsed = parameters.safeParse(values);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const name = issue.path[0];
      problems.push(name === undefined ? issue.message : `${String(name)}: ${issue.message}`);
    }
  }
  // A role's name has at most 64 characters: prefix, region and function (names.ts, roleName).
  if (!/^[a-z0-9-]{1,14}$/.test(deployment.stage)) {
    problems.push(`--stage ${deployment.stage}: 1 to 14 of a-z, 0-9 and "-"`);
  }
  if (parsed.success) problems.push(...contradictions(parsed.data, deployment.region));
  if (!parsed.success || problems.length > 0) {
    throw new DeploymentError(
      `The parameters in serverless.yml, below params, are not usable:\n  ${problems.join("\n  ")}`,
    );
  }
  const { service, stage, region } = deployment;
  const { primaryRegion } = parsed.data;
  const secondary = primaryRegion !== undefined && primaryRegion !== region;
  // All regions use one serverless.yml, so a secondary ignores the primary's parameters.
  const ofPrimary = secondary && { rotate: [], replicate: [], replicaRegions: [] };
  const callsMethods = serviceAccountsFor("calls", policy).length > 0;
  const prefix = `${service}-${stage}`;
  return { ...parsed.data, ...ofPrimary, prefix, stage, region, secondary, callsMethods };
}

const DAY_MS = 86_400_000;

/** These resources can be used only from their own region. */
const regional = ["alarmTopicArn", "auditDestinationArn", "certificateArn"] as const;

const regionOf = (arn: string | undefined) => arn?.split(":")[3];

function contradictions(options: z.infer<typeof parameters>, region: string): string[] {
  const problems: string[] = [];
  if ((options.domainName === undefined) !== (options.certificateArn === undefined)) {
    problems.push("domainName and certificateArn: give both or neither");
  }
  if (options.basePath !== undefined && options.domainName === undefined) {
    problems.push("basePath: needs domainName as well");
  }
  if (options.hostedZoneId !== undefined && options.domainName === undefined) {
    problems.push("hostedZoneId: needs domainName as well");
  }
  if (options.domainName !== undefined && options.vpcEndpointIds.length > 0) {
    problems.push("domainName: a private API (vpcEndpointIds) has no regional custom domain");
  }
  if (options.replicaRegions.includes(region) && [undefined, region].includes(options.primaryRegion)) {
    problems.push(`replicaRegions: ${region} is the region that is deployed; name the others`);
  }
  for (const name of regional) {
    const other = regionOf(options[name]);
    if (other !== undefined && other !== region) {
      problems.push(
        `${name}: is in ${other}, not in ${region}; docs/regions.md shows how to give a value for each region`,
      );
    }
  }
  if (options.deployerArn === undefined) {
    if (options.tripwires) {
      problems.push(
        "tripwires: needs deployerArn, because every deployment makes the changes that they report",
      );
    }
    if (options.cloudFormationReadsSecrets) {
      problems.push(
        "cloudFormationReadsSecrets: needs deployerArn, the role for which CloudFormation may read the secrets",
      );
    }
  }
  if (options.tripwires && options.secrets === "existing" && options.kmsKeyArn === undefined) {
    problems.push("tripwires: with secrets: existing, kmsKeyArn must name the KMS key to watch");
  }
  if (options.alarmTopicArn !== undefined && options.alarmEmail !== undefined) {
    problems.push("alarmEmail: subscribe it to the topic of alarmTopicArn instead");
  }
  const { rotate, rotationDays, kmsKeyArn } = options;
  // The grace of all superseded keys of a secret starts again with each rotation.
  const graceDays = graceMs(options) / DAY_MS;
  if (rotate.length > 0 && graceDays >= rotationDays) {
    problems.push(
      `rotationDays: ${rotationDays} is not longer than the grace (${graceDays.toFixed(1)} days), so no superseded key ` +
        "would ever be deleted; raise it, or lower signingKeyMaxStaleSeconds or signingKeyTtlSeconds",
    );
  }
  const inSeveralRegions = options.replicaRegions.length > 0 || regionOf(kmsKeyArn) !== region;
  if (kmsKeyArn !== undefined && inSeveralRegions && !kmsKeyArn.includes(":key/mrk-")) {
    problems.push("kmsKeyArn: for more than its own region it must be a multi-Region key (mrk-…)");
  }
  return problems;
}
