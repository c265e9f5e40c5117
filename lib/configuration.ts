import * as z from "zod/mini";
import { type Environment, withoutEmpty } from "./environment.ts";
import { REGION } from "./partitions.ts";
import { apiUrlProblem, MANAGEMENT_API_URL, parseApiUrl } from "./voximplant/api-url.ts";

/** All problems of the environment, one line for each variable. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
}

const seconds = (byDefault: number) => {
  const message = "must be a whole number of seconds from 0 to 86400";
  return z.pipe(
    z._default(z.string().check(z.regex(/^\d{1,5}$/, message)), String(byDefault)),
    z.pipe(
      z.transform((text: string) => Number(text)),
      z.number().check(z.maximum(86_400, message)),
    ),
  );
};

/** The value of `deployment` if the function does not run in Lambda. */
export const LOCAL = "local";

const variables = z.object({
  // Lambda sets it: <service>-<stage>-<function>.
  AWS_LAMBDA_FUNCTION_NAME: z._default(z.string(), ""),
  SIGNING_KEY_TTL_SECONDS: seconds(300),
  SIGNING_KEY_MAX_STALE_SECONDS: seconds(3600),
  BASE_PATH: z.optional(
    z
      .string()
      .check(z.regex(/^[\w.~-]+(?:\/[\w.~-]+)*$/, "must be a path without outer slashes, such as tokens")),
  ),
  REPLICA_REGIONS: z._default(
    z
      .string()
      .check(z.regex(new RegExp(`^${REGION}(?:,${REGION})*$`), "must be AWS regions, separated by commas")),
    "",
  ),
  VOXIMPLANT_API_URL: z._default(
    z.string().check((payload) => {
      const message = apiUrlProblem(payload.value);
      if (message !== undefined) payload.issues.push({ code: "custom", input: payload.value, message });
    }),
    MANAGEMENT_API_URL,
  ),
});

export interface Configuration {
  /** Seconds for which a fetched key is used without asking again. */
  readonly signingKeyTtlSeconds: number;
  /** Seconds after that time for which the key is still used if Secrets Manager is unreachable. */
  readonly signingKeyMaxStaleSeconds: number;
  /** URL of the Management API, without a slash at its end. */
  readonly voximplantApiUrl: string;
  /** The base path of a custom domain's mapping. */
  readonly basePath: string | undefined;
  /** The regions that must have a replica of each secret. */
  readonly replicaRegions: readonly string[];
  /** `<service>-<stage>`, or `local`. */
  readonly deployment: string;
}

/**
 * Reads the functions' settings from environment variables. An empty variable counts as absent.
 *
 * @throws {ConfigurationError} with every problem at once.
 */
export function readConfiguration(environment: Environment): Configuration {
  const parsed = variables.safeParse(withoutEmpty(environment));
  if (!parsed.success) {
    throw new ConfigurationError(
      parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("\n"),
    );
  }
  return {
    signingKeyTtlSeconds: parsed.data.SIGNING_KEY_TTL_SECONDS,
    signingKeyMaxStaleSeconds: parsed.data.SIGNING_KEY_MAX_STALE_SECONDS,
    voximplantApiUrl: parseApiUrl(parsed.data.VOXIMPLANT_API_URL, "VOXIMPLANT_API_URL"),
    basePath: parsed.data.BASE_PATH,
    replicaRegions: parsed.data.REPLICA_REGIONS.split(",").filter((region) => region !== ""),
    deployment:
      /^(.+)-(?:vend-token|call-method|rotate-key|reconcile-keys)$/.exec(
        parsed.data.AWS_LAMBDA_FUNCTION_NAME,
      )?.[1] ?? LOCAL,
  };
}
