import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse } from "yaml";
import * as z from "zod";
import { formatProblem, parseGrants } from "../../lib/grants/parse.ts";
import type { Output, Resource } from "../../infra/cloudformation.ts";
import { describeDeployment } from "../../infra/deployment.ts";

export interface Template {
  readonly Resources: Readonly<Record<string, Resource>>;
  readonly Outputs: Readonly<Record<string, Output>>;
}

const root = resolve(import.meta.dirname, "../..");
const scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String);
const configuration = z.object({
  provider: z.record(z.string(), z.unknown()),
  service: z.string(),
  params: z.object({ default: z.record(z.string(), scalar) }),
});

const { service, params, ...rest } = configuration.parse(
  parse(readFileSync(join(root, "serverless.yml"), "utf8"), { logLevel: "silent" }),
);

export const { provider } = rest;

/** The sample policy, rather than the repository's own, which is whatever its users make of it. */
export const sampleGrants = readFileSync(join(root, "local", "grants.yml"), "utf8");

/** The same without the grant of methods: a deployment that has no function for calls. */
export const grantsOfTokens = sampleGrants.replace(/ {2}# Calls through the vendor[^]*$/, "");

/** The parameters' defaults, as serverless.yml has them. */
export const defaults = params.default;

/** Every parameter that adds something to the stack, as a company with many rules sets them. */
export const WITH_EVERYTHING = {
  encryptLogs: "true",
  retainLogs: "true",
  quietAlarmMinutes: "60",
  replicaRegions: "eu-west-1",
  auditDestinationArn: "arn:aws:logs:us-east-1:999988887777:destination:audit",
  domainName: "tokens.example.com",
  certificateArn: "arn:aws:acm:us-east-1:999988887777:certificate/0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f",
  hostedZoneId: "Z0123456789ABCDEFGHIJ",
  alarmTopicArn: "arn:aws:sns:us-east-1:999988887777:oncall",
  runbookUrl: "https://wiki.example.com/voximplant",
  tripwires: "true",
  kmsKeyArn: "arn:aws:kms:us-east-1:999988887777:key/mrk-0a1b",
  permissionsBoundaryArn: "arn:aws:iam::999988887777:policy/boundary",
  rolePath: "/teams/voice/",
  cloudFormationReadsSecrets: "true",
  deployerArn: "arn:aws:iam::999988887777:role/teams/deployer",
  tags: "team=voice,cost=42",
};

/** The template of {@link describeWith}, as JSON has it. */
export const stackOf = (...given: Parameters<typeof describeWith>): Template =>
  JSON.parse(JSON.stringify(describeWith(...given).resources)) as Template;

/**
 * What infra/ makes of some grants (the sample, if none are given) and parameters, without a run of
 * osls.
 */
export function describeWith(
  values: Readonly<Record<string, string>> = {},
  { grants = sampleGrants, stage = "dev", region = "us-east-1" } = {},
) {
  const parsed = parseGrants(grants, "grants.yml", stage);
  if ("problems" in parsed) throw new Error(parsed.problems.map(formatProblem).join("\n"));
  return describeDeployment(parsed.policy, { service, stage, region }, { ...defaults, ...values });
}
