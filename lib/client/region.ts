import { readVariable } from "../environment.ts";
import { isLoopback } from "../voximplant/api-url.ts";
import type { Endpoint } from "./endpoint.ts";
import { TokenError } from "./errors.ts";

/** The region to sign for: given, or in the host name, or as the AWS SDK finds it (AWS_REGION, the profile's). */
export async function resolveRegion(
  endpoint: Endpoint,
  given: string | undefined,
  profile: string | undefined,
): Promise<string> {
  const known = given ?? endpoint.region;
  if (known !== undefined) return known;
  const { loadConfig, NODE_REGION_CONFIG_FILE_OPTIONS, NODE_REGION_CONFIG_OPTIONS } =
    await import("@smithy/core/config");
  try {
    // The SDK's own selector takes an empty AWS_REGION, and the profile's region is not looked for.
    const environmentVariableSelector = (env: NodeJS.ProcessEnv) => readVariable(env, "AWS_REGION");
    return await loadConfig(
      { ...NODE_REGION_CONFIG_OPTIONS, environmentVariableSelector },
      {
        ...NODE_REGION_CONFIG_FILE_OPTIONS,
        ...(profile === undefined ? {} : { profile }),
      },
    )();
  } catch (error) {
    // The stand-in on this machine signs for any region: it need not be configured to be tried.
    if (isLoopback(endpoint.url)) return "us-east-1";
    throw new TokenError(
      "invalid_options",
      `${endpoint.url.hostname} does not name its region: set AWS_REGION or the option region`,
      { cause: error },
    );
  }
}
