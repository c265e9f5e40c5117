import { type Environment, readVariable } from "../lib/environment.ts";
import type { StackOptions } from "./stack.ts";

/**
 * The variables of this process that are passed to the local stack: the address and credentials of
 * a running Secrets Manager, and how long keys are cached. No other variable is passed on, so no
 * real credentials reach the functions.
 */
export function settingsFrom(environment: Environment): Pick<StackOptions, "externalSecretsManager" | "env"> {
  const pick = (...names: string[]) =>
    Object.fromEntries(
      names.flatMap((name) => {
        const value = readVariable(environment, name);
        return value === undefined ? [] : [[name, value]];
      }),
    ) as Record<string, string>;
  const url = readVariable(environment, "AWS_ENDPOINT_URL_SECRETS_MANAGER");
  return {
    env: pick("SIGNING_KEY_TTL_SECONDS", "SIGNING_KEY_MAX_STALE_SECONDS"),
    ...(url !== undefined && {
      externalSecretsManager: {
        url,
        env: pick("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
      },
    }),
  };
}
