import { CommanderError } from "commander";
import { TokenError, type TokenErrorCode } from "../client/errors.ts";
import {
  VoximplantError,
  VoximplantFileError,
  VoximplantUnavailableError,
  wasNotSent,
} from "../voximplant/errors.ts";
import { CliError, EXIT } from "./cli-error.ts";

/** The next step for each error code. Undefined if the message itself says what to do. */
const HINTS: Readonly<Record<TokenErrorCode, string | undefined>> = {
  access_denied: "no grant allows this: see voxtoken whoami, or ask the owner of grants.yml for a grant",
  unauthenticated: "only IAM roles and users get tokens: see aws sts get-caller-identity",
  ttl_too_long: "ask for a shorter lifetime with --ttl",
  no_credentials: "sign in to AWS (aws sso login, AWS_PROFILE, AWS_ACCESS_KEY_ID …), or give --profile",
  credentials_expired: "sign in again, for example with aws sso login",
  clock_skew: "set this machine's clock: signatures are valid for five minutes",
  network: "check --url and the network",
  timeout: "check --url and the network, or allow more time with --timeout",
  invalid_response: "is --url the token vendor, with its stage (…/prod)?",
  not_found: "is --url the token vendor, with its stage (…/prod)?",
  throttled: "too many requests: wait, and do not use --no-cache in scripts",
  internal_error: "ask the owner of the vendor to look up the request id in the vendor's log",
  signing_key_unavailable: "the vendor cannot read its key at the moment: try again in a minute",
  platform_unavailable: "Voximplant is unreachable from the vendor: try again in a minute",
  platform_timeout: "Voximplant did not answer the vendor in time: try again in a minute",
  response_too_large: "ask for less at a time (count, offset)",
  not_authorized: "the API's resource policy or a proxy refused this: run voxtoken doctor",
  invalid_request: undefined,
  invalid_options: undefined,
  method_not_allowed: undefined,
};

/** API Gateway's own texts, and what each of them means. */
const REFUSALS: readonly (readonly [RegExp, string])[] = [
  [/missing authentication token/i, "the url names no path of the vendor: is its stage right (…/prod)?"],
  [/scoped to a valid region/i, "the region is wrong: give the API's region with --region"],
  [/signature we calculated/i, "the signature is wrong: check the secret access key and the region"],
  [
    /security token included in the request is invalid/i,
    "AWS does not know the key: check AWS_ACCESS_KEY_ID, and AWS_SESSION_TOKEN for a temporary one",
  ],
  [/not authorized to perform/i, "your IAM policy needs execute-api:Invoke on this path of the API"],
];

/** Network errors, by the text of the HTTP library or of OpenSSL. */
const NETWORK_FAULTS: readonly (readonly [RegExp, string])[] = [
  [/proxy response \(407\)/i, "the proxy requires a password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"],
  [/proxy response/i, "the proxy refused: check HTTPS_PROXY, or add the host to NO_PROXY"],
  [/wrong version number|packet length too long/i, "that port speaks http, not https: check --url"],
  [
    /self.signed|unable to (?:get|verify)/i,
    "if a proxy intercepts TLS, name its CA: NODE_EXTRA_CA_CERTS=ca.pem",
  ],
];

/** The AWS SDK's error for a profile with `mfa_serial`. The SDK ignores the AWS CLI's cache. */
const NEEDS_MFA = /multi-factor authentication/i;
const MFA_HINT =
  'let the AWS CLI ask for the code: eval "$(aws configure export-credentials --format env --profile NAME)"';

function hintFor(error: TokenError): string | undefined {
  const { code, message, retryAfterSeconds } = error;
  if (code === "no_credentials" && NEEDS_MFA.test(message)) return MFA_HINT;
  if (error.mayHaveTakenEffect) return "the method may have run: check that before you call it again";
  if (code === "not_authorized") {
    const known = REFUSALS.find(([text]) => text.test(message));
    return known?.[1] ?? HINTS.not_authorized;
  }
  if (code === "network") {
    const known = NETWORK_FAULTS.find(([text]) => text.test(message));
    if (known !== undefined) return known[1];
  }
  if (code === "throttled" && retryAfterSeconds !== undefined) {
    return `wait for ${retryAfterSeconds} s, and do not use --no-cache in scripts`;
  }
  return HINTS[code];
}

const USAGE: ReadonlySet<TokenErrorCode> = new Set(["invalid_options", "invalid_request"]);

/** The platform's refusals of the caller: 100 authorization failed, 104 forbidden command. */
const PLATFORM_DENIALS: ReadonlySet<number> = new Set([100, 104]);

/** Turns any error into the failure that the command line reports. */
export function asCliError(error: unknown): CliError {
  if (error instanceof CliError) return error;
  if (error instanceof CommanderError) return asUsageError(error);
  if (error instanceof TokenError) {
    const id = error.requestId === undefined ? "" : ` (request ${error.requestId})`;
    const status = error.denied ? EXIT.denied : USAGE.has(error.code) ? EXIT.usage : EXIT.failure;
    return new CliError(`${error.code}: ${error.message}${id}`, status, hintFor(error), { cause: error });
  }
  if (error instanceof VoximplantError) {
    const status = PLATFORM_DENIALS.has(error.code) ? EXIT.denied : EXIT.failure;
    return new CliError(error.message, status, undefined, { cause: error });
  }
  if (error instanceof VoximplantFileError) {
    const hint = "download it with curl under `voxtoken exec`, or with createVoximplantFetch in a program";
    return new CliError(error.message, EXIT.failure, hint, { cause: error });
  }
  if (error instanceof VoximplantUnavailableError) {
    const effect = wasNotSent(error) ? "nothing was sent" : "whether the method took effect is not known";
    const hint = `check the network and --api-url; ${effect}`;
    return new CliError(error.message, EXIT.failure, hint, { cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  const hint = NEEDS_MFA.test(message) ? MFA_HINT : undefined;
  return new CliError(`unexpected: ${message}`, EXIT.failure, hint, { cause: error });
}

function asUsageError(cause: CommanderError): CliError {
  const { code, message } = cause;
  // `voxtoken` or `voxtoken admin` without a command: commander has printed the help on stderr.
  if (code === "commander.help") return new CliError("", EXIT.usage);
  const [problem = "", ...suggestion] = message.replace(/^error: /, "").split("\n");
  const hint = suggestion.join(" ").replace(/^\(|\)$/g, "");
  return new CliError(problem, EXIT.usage, hint || undefined, { cause });
}
