import { type Environment, readVariable } from "../lib/environment.ts";
import type { StackOptions } from "./stack.ts";

/**
 * The variables of this process that are passed to the local stack: how long keys are cached, and
 * the address and the credentials of a running Secrets Manager, if its address is set. No other
 * variable of this process reaches the functions.
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
