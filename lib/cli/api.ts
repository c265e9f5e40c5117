import { Command } from "commander";
import { callApi, type CallOptions } from "../client/call-api.ts";
import { readVariable } from "../environment.ts";
import { ApiUrlError, MANAGEMENT_API_URL, parseApiUrl } from "../voximplant/api-url.ts";
import { VoximplantFileError } from "../voximplant/errors.ts";
import { CliError, EXIT } from "./cli-error.ts";
import { type Io, printableJson, printableText } from "./io.ts";
import { whileWaiting } from "./spinner.ts";
import { addTokenOptions, startDeadline, type TokenFlags, tokenFinder, tokenProvider } from "./vendor.ts";

export function apiCommand(io: Io): Command {
  return addTokenOptions(new Command("api"))
    .description("call one method of the Voximplant Management API")
    .argument("<service-account>", "a name that voxtoken whoami lists")
    .argument("<Method>", "one that https://voximplant.com/docs/references/httpapi lists")
    .argument("[name=value...]", "the method's parameters")
    .option("--api-url <url>", "another Management API (default: VOXIMPLANT_API_URL, or Voximplant's)")
    .addHelpText(
      "after",
      `
Examples:
  $ voxtoken api call-history GetAccountInfo
  $ voxtoken api call-history GetCallHistory from_date="2026-11-23 00:00:00" to_date="2026-11-24 00:00:00" count=20
  $ voxtoken api outbound-calls StartScenarios rule_id=1 script_custom_data='{"to":"+442079460000"}' | jq .result

The whole answer is printed as JSON. If Voximplant refuses the token, the call
is repeated once with a new token.`,
    )
    .action(
      async (
        serviceAccount: string,
        method: string,
        pairs: string[],
        flags: TokenFlags & { apiUrl?: string },
      ) => {
        const parameters = parseParameters(pairs);
        const timeLeft = startDeadline(io, { timeout: 45, ...flags });
        const getToken = tokenProvider(tokenFinder(io, serviceAccount, flags, timeLeft));
        const answer = await whileWaiting(io, `calling ${method}`, () =>
          callApi(getToken, method, parameters, apiOptions(io, flags.apiUrl, timeLeft)).then(
            (body) => `${printableJson(body, 2)}\n`,
            (error: unknown) => printableText(textOfFile(error), io.stdout),
          ),
        );
        io.stdout.write(answer);
      },
    );
}

/** If the method answered with a text file, returns its text. Throws any other error again. */
function textOfFile(error: unknown): string {
  if (error instanceof VoximplantFileError && error.contentType.startsWith("text/")) return error.text;
  throw error;
}

/** The options of a call: the Management API's URL, fetch, clocks, sleep and the deadline. */
export function apiOptions(io: Io, apiUrl: string | undefined, timeLeft: () => number): CallOptions {
  const { fetch, now, monotonic, sleep } = io;
  return {
    apiUrl: managementApiUrl(io, apiUrl),
    runtime: { fetch, now, monotonic, sleep },
    signal: AbortSignal.timeout(timeLeft()),
  };
}

/**
 * The URL of the Management API from the option or the environment, or Voximplant's.
 *
 * @param given the value of `--api-url`
 * @throws CliError if the URL is invalid, or plain http to another machine
 */
export function managementApiUrl({ env }: Pick<Io, "env">, given?: string): string {
  const variable = readVariable(env, "VOXIMPLANT_API_URL") ?? MANAGEMENT_API_URL;
  try {
    return given === undefined
      ? parseApiUrl(variable, "VOXIMPLANT_API_URL")
      : parseApiUrl(given, "--api-url");
  } catch (error) {
    if (!(error instanceof ApiUrlError)) throw error;
    const remedy = given === undefined ? "unset VOXIMPLANT_API_URL" : "leave --api-url out";
    throw new CliError(error.message, EXIT.usage, `${remedy} to use ${MANAGEMENT_API_URL}`, { cause: error });
  }
}

/** @throws CliError wrong usage */
export function parseParameters(pairs: readonly string[]): Record<string, string> {
  const parameters = new Map<string, string>();
  for (const [name, value] of pairs.map(parseParameter)) {
    if (parameters.has(name)) {
      const hint = "a list of values is one parameter: name='a;b;c'";
      throw new CliError(`parameter "${name}" appears twice`, EXIT.usage, hint);
    }
    parameters.set(name, value);
  }
  return Object.fromEntries(parameters);
}

function parseParameter(pair: string): [string, string] {
  const equals = pair.indexOf("=");
  if (equals > 0) return [pair.slice(0, equals), pair.slice(equals + 1)];
  throw new CliError(`parameter ${JSON.stringify(pair)} is not name=value`, EXIT.usage);
}
