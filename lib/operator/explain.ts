import { Command, Option } from "commander";
import type { Caller } from "../caller/caller.ts";
import { describeGrants, explain, type Explanation } from "../grants/explain.ts";
import { type AccessRequest, MAX_TTL_SECONDS, methodOf, MIN_TTL_SECONDS } from "../grants/policy.ts";
import { parseTime } from "../grants/until.ts";
import { isFailure } from "../outcome.ts";
import { CliError, EXIT } from "../cli/cli-error.ts";
import { colorsFor, type Io } from "../cli/io.ts";
import { wholeNumber } from "../cli/whole-number.ts";
import { callerOf, GRANTS_FILE, readPolicy } from "./grants-file.ts";
import { wrap, wrapLines } from "./wrap.ts";

interface Options {
  readonly principal?: string;
  readonly sessionArn?: string;
  readonly serviceAccount: string;
  readonly ttl?: number;
  readonly method?: string;
  readonly accountId?: number;
  readonly at?: string;
  readonly uniqueId?: string;
  readonly orgId?: string;
  readonly grants: string;
  readonly output: "text" | "json";
}

/**
 * `voxtoken admin explain`: what the function would decide, and by which line of the file. Ends
 * with 3 on a refusal.
 */
export function explainCommand(io: Io): Command {
  const ttl = wholeNumber(
    MIN_TTL_SECONDS,
    MAX_TTL_SECONDS,
    `${MIN_TTL_SECONDS} to ${MAX_TTL_SECONDS} seconds`,
  );
  const accountId = wholeNumber(1, Number.MAX_SAFE_INTEGER, "the number of a child account");
  return new Command("explain")
    .description("say why a principal would get a token, or why not")
    .option("--principal <arn>", "ARN of a role or user")
    .option("--session-arn <arn>", "instead: the Arn that `aws sts get-caller-identity` prints")
    .requiredOption("--service-account <name>", "the service account that the principal asks for")
    .option("--ttl <seconds>", "lifetime it asks for", ttl)
    .addOption(new Option("--method <name>", "method to call, instead of a token").conflicts("ttl"))
    .option("--account-id <id>", "child account it asks for", accountId)
    .option("--unique-id <id>", "AROA… of the role or AIDA… of the user, if a grant has a uniqueId")
    .option("--org-id <id>", "its AWS organisation, if a grant has a principalOrgId")
    .option("--at <time>", "when it asks, as 2026-12-31T18:00:00+01:00 (default: now)")
    .option("--grants <file>", "the grants file", GRANTS_FILE)
    .addOption(
      new Option("-o, --output <format>", "for people or for programs")
        .choices(["text", "json"])
        .default("text"),
    )
    .action(async (options: Options) => {
      const arn = options.principal ?? options.sessionArn;
      if (arn === undefined || (options.principal !== undefined && options.sessionArn !== undefined)) {
        throw new CliError("give either --principal or --session-arn", EXIT.usage);
      }
      const caller = callerOf(arn, options);
      const now = options.at === undefined ? io.now() : parseTime(options.at);
      if (now === undefined) {
        throw new CliError(
          `--at ${options.at ?? ""} must be a time with its offset`,
          EXIT.usage,
          "2026-12-31T18:00:00+01:00",
        );
      }
      const request: AccessRequest = {
        serviceAccount: options.serviceAccount,
        ...(options.method === undefined ? {} : { method: options.method }),
        ...(options.ttl === undefined ? {} : { ttlSeconds: options.ttl }),
        ...(options.accountId === undefined ? {} : { accountId: options.accountId }),
      };
      const explanation = explain(await readPolicy(options.grants), caller, request, now);
      io.stdout.write(
        options.output === "json"
          ? `${JSON.stringify(asJson(explanation, caller, request), null, 2)}\n`
          : `${print(explanation, arn, caller, request, io).join("\n")}\n`,
      );
      if (isFailure(explanation.decision)) throw new CliError("", EXIT.denied);
    });
}

function asJson({ decision, grants }: Explanation, caller: Caller, request: AccessRequest) {
  return {
    principal: caller.principal,
    service_account: request.serviceAccount,
    method: methodOf(request),
    account_id: request.accountId,
    ...(isFailure(decision)
      ? { allowed: false, reason: decision.reason, detail: decision.detail }
      : { allowed: true, ttl_seconds: decision.ttlSeconds, grant: decision.grant }),
    grants: grants.map(({ source, principal, maxTtlSeconds, unmet }) => ({
      source,
      principal: principal.arn,
      max_ttl_seconds: maxTtlSeconds,
      unmet,
    })),
  };
}

/** A field with its label, in 80 columns unless one word is longer. */
function field(label: string, text: string, color: (label: string) => string = (plain) => plain): string {
  const width = 17;
  return `${color(label)}${" ".repeat(width - label.length)}${wrap(text, width)}`;
}

function print(
  explanation: Explanation,
  arn: string,
  caller: Caller,
  request: AccessRequest,
  io: Io,
): string[] {
  const { decision, serviceAccount, grants } = explanation;
  const colors = colorsFor(io, io.stdout);
  return [
    field("principal", caller.principal),
    ...(arn === caller.principal ? [] : [field("", `(how grants name ${arn})`)]),
    field(
      "service account",
      serviceAccount
        ? `${request.serviceAccount}, at most ${serviceAccount.maxTtlSeconds} s`
        : `${request.serviceAccount}, which is not in the file${explanation.suggestion}`,
    ),
    field(
      "account",
      request.accountId === undefined ? "the key's own" : `child account ${request.accountId}`,
    ),
    "method" in request
      ? field("method", request.method)
      : field("lifetime", request.ttlSeconds === undefined ? "the default" : `${request.ttlSeconds} s`),
    "",
    ...(grants.length > 0 ? [...wrapLines(describeGrants(grants), 0), ""] : []),
    ...(!isFailure(decision)
      ? [
          field(
            "allowed",
            "method" in request
              ? `a call, by ${decision.grant}`
              : `${decision.ttlSeconds} s, by ${decision.grant}, the most generous grant that fits`,
            colors.green,
          ),
        ]
      : [
          field("refused", `${decision.reason}: ${decision.detail}`, colors.red),
          field("to fix it", nextStep(explanation, caller, request)),
        ]),
  ];
}

function nextStep(
  { decision, serviceAccount, grants }: Explanation,
  caller: Caller,
  request: AccessRequest,
): string {
  if (isFailure(decision) && decision.reason === "ttl_too_long") {
    return (
      `ask for at most ${decision.maxTtlSeconds} s, or raise the limit: the maxTtlSeconds of the grant or of the service ` +
      "account, or the until of the grant"
    );
  }
  if (!serviceAccount) return "spell the service account as in the file, or add it to serviceAccounts there";
  const nearest = grants[0];
  const change = nearest?.unmet.length === 1 ? `change ${nearest.source}, or ` : "";
  const child = request.accountId === undefined ? "" : `, childAccountIds: [${request.accountId}]`;
  const methods = "method" in request ? `, methods: [${request.method}]` : "";
  return `${change}add a grant { principals: ["${caller.principal}"], serviceAccounts: [${serviceAccount.name}]${child}${methods} }`;
}
