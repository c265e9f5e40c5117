import { CommanderError } from "commander";
import { TokenError, type TokenErrorCode } from "../client/errors.ts";
import { VoximplantError, VoximplantUnavailableError } from "../voximplant/errors.ts";
import { CliError, EXIT } from "./cli-error.ts";

/** What to do next, for each way of not getting a token. */
const HINTS: Readonly<Partial<Record<TokenErrorCode, string>>> = {
  access_denied:
    "the grants do not give it to you: voxtoken whoami lists what they do; the owner of grants.yml can change it",
  not_authorized:
    "API Gateway refused before the grants were asked: your IAM policy needs execute-api:Invoke on this API",
  unauthenticated: "only IAM roles and users are served: see aws sts get-caller-identity",
  ttl_too_long: "ask for less with --ttl",
  no_credentials:
    "sign in as for the AWS CLI (aws sso login, AWS_PROFILE, AWS_ACCESS_KEY_ID …), or give --profile",
  credentials_expired: "sign in again, for example with aws sso login",
  clock_skew: "set this machine's clock: signatures are good for five minutes",
  network: "check --url and the network",
  timeout: "check --url and the network, or allow more time with --timeout",
  invalid_response: "is --url the token vendor, with its stage (…/prod)?",
  not_found: "is --url the token vendor, with its stage (…/prod)?",
  throttled: "the service is asked too often: wait, and let scripts use the cache",
  internal_error: "the owner of the service finds the request id in its log",
  signing_key_unavailable: "the service cannot read its key at the moment: try again in a minute",
};

const USAGE: ReadonlySet<TokenErrorCode> = new Set(["invalid_options", "invalid_request"]);

/** Platform's refusals of who calls, rather than of what: 100 authorisation failed, 104 forbidden command. */
const PLATFORM_DENIALS: ReadonlySet<number> = new Set([100, 104]);

/** Any failure, as the command line reports it. */
export function asCliError(error: unknown): CliError {
  if (error instanceof CliError) return error;
  if (error instanceof CommanderError) return asUsageError(error);
  if (error instanceof TokenError) {
    const id = error.requestId === undefined ? "" : ` (request ${error.requestId})`;
    const status = error.denied ? EXIT.denied : USAGE.has(error.code) ? EXIT.usage : EXIT.failure;
    return new CliError(`${error.code}: ${error.message}${id}`, status, HINTS[error.code], { cause: error });
  }
  if (error instanceof VoximplantError) {
    const status = PLATFORM_DENIALS.has(error.code) ? EXIT.denied : EXIT.failure;
    return new CliError(error.message, status, undefined, { cause: error });
  }
  if (error instanceof VoximplantUnavailableError) {
    const hint = "check the network and --api-url; whether the method took effect is not known";
    return new CliError(error.message, EXIT.failure, hint, { cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new CliError(`unexpected: ${message}`, EXIT.failure, undefined, { cause: error });
}

function asUsageError({ code, message }: CommanderError): CliError {
  // Bare `voxtoken` or `voxtoken admin`: commander has printed the help on stderr already.
  if (code === "commander.help") return new CliError("", EXIT.usage);
  const [problem = "", ...suggestion] = message.replace(/^error: /, "").split("\n");
  const hint = suggestion.join(" ").replace(/^\(|\)$/g, "");
  return new CliError(problem, EXIT.usage, hint || "voxtoken --help says what there is");
}
