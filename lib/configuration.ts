import * as z from "zod/mini";

/** All that is wrong with the environment, one line for each variable. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
}

const HTTPS_OR_LOOPBACK = /^https:\/\/|^http:\/\/(?:127\.0\.0\.1|\[::1\]|localhost)(?::|\/|$)/;

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

const variables = z.object({
  SIGNING_KEY_TTL_SECONDS: seconds(300),
  SIGNING_KEY_MAX_STALE_SECONDS: seconds(3600),
  VOXIMPLANT_API_URL: z._default(
    z.string().check(z.regex(HTTPS_OR_LOOPBACK, "must be an https:// URL"), z.url("must be a URL")),
    "https://api.voximplant.com/platform_api",
  ),
});

export interface Configuration {
  /** Seconds for which a fetched key is used without asking again. */
  readonly signingKeyTtlSeconds: number;
  /** Seconds beyond that for which it is still used while Secrets Manager fails. */
  readonly signingKeyMaxStaleSeconds: number;
  /** Management API, without a slash at its end. */
  readonly voximplantApiUrl: string;
}

/**
 * Reads the functions' settings from environment variables. An empty variable counts as absent.
 *
 * @throws {ConfigurationError} with every problem at once.
 */
export function readConfiguration(environment: Readonly<Record<string, string | undefined>>): Configuration {
  const present = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ""));
  const parsed = variables.safeParse(present);
  if (!parsed.success) {
    throw new ConfigurationError(
      parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("\n"),
    );
  }
  return {
    signingKeyTtlSeconds: parsed.data.SIGNING_KEY_TTL_SECONDS,
    signingKeyMaxStaleSeconds: parsed.data.SIGNING_KEY_MAX_STALE_SECONDS,
    voximplantApiUrl: parsed.data.VOXIMPLANT_API_URL.replace(/\/+$/, ""),
  };
}
