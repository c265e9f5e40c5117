import { types } from "node:util";
import { type Environment, readVariable } from "../environment.ts";
import { TokenError } from "./errors.ts";
import type { AwsCredentials } from "./sign.ts";

/** Resolves to AWS credentials. It is called for each request, so it should cache them. */
export type CredentialProvider = (options?: {
  /** True if the credentials of the last call were refused as expired. */
  forceRefresh?: boolean;
  /** Never set. Declared so that TypeScript accepts the AWS SDK's providers, which declare it. */
  callerClientConfig?: never;
}) => Promise<AwsCredentials>;

/** @param given default: credentials in the AWS CLI's order */
export function credentialProvider(
  given: AwsCredentials | CredentialProvider | undefined,
  profile: string | undefined,
): CredentialProvider {
  const find =
    typeof given === "function" ? given : given ? () => Promise.resolve(given) : awsCredentials(profile);
  return async (options) => {
    try {
      return await find(options);
    } catch (error) {
      const reason = types.isNativeError(error) ? error.message : "no AWS credentials, for an unknown reason";
      throw new TokenError("no_credentials", reason, { cause: error });
    }
  };
}

/**
 * Credentials in the AWS CLI's order: the profile that was given; a key in the environment; the
 * profile of AWS_DEFAULT_PROFILE, of AWS_PROFILE, or "default"; web identity, ECS, EKS, EC2. The
 * AWS SDK ignores AWS_DEFAULT_PROFILE, and prefers AWS_PROFILE to a key in the environment. It is
 * an error if the profile does not exist, or if it names a source of credentials that gives none.
 * Otherwise the SDK would sign as the machine's role.
 *
 * The SDK is loaded when first needed, so that callers with credentials of their own do not pay for
 * it. Files are read again at each renewal, because other programs rotate the credentials in them.
 *
 * @param environment where a key is looked for; default: `process.env`
 */
export function awsCredentials(profile: string | undefined, environment?: Environment): CredentialProvider {
  let chain: CredentialProvider | undefined;
  return async (options) => {
    const [{ defaultProvider }, { fromEnv }, { fromIni }, { memoize }] = await Promise.all([
      import("@aws-sdk/credential-provider-node"),
      import("@aws-sdk/credential-provider-env"),
      import("@aws-sdk/credential-provider-ini"),
      import("@smithy/core/config"),
    ]);
    if (profile === undefined) {
      const key = await (environment ? keyOf(environment) : fromEnv()().catch(() => undefined));
      if (key !== undefined) return key;
    }
    const named = profile ?? (await defaultProfile(environment));
    await requireProfile(named);
    const init = {
      ignoreCache: true,
      ...(named === undefined ? {} : { profile: named }),
      // Without this, the SDK warns on the console that the profile has precedence over a key in
      // the environment, which is intended here.
      logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    };
    chain ??= (await hasCredentials(named))
      ? memoize(fromIni(init), isExpiring, ({ expiration }) => expiration !== undefined)
      : defaultProvider(init);
    try {
      return await chain(options);
    } catch (error) {
      throw await withProcess(error, named);
    }
  };
}

function keyOf(environment: Environment): AwsCredentials | undefined {
  const accessKeyId = readVariable(environment, "AWS_ACCESS_KEY_ID");
  const secretAccessKey = readVariable(environment, "AWS_SECRET_ACCESS_KEY");
  const sessionToken = readVariable(environment, "AWS_SESSION_TOKEN");
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

/**
 * The profiles in the AWS CLI's files. None if there is no home directory: HOME is not set, and the
 * operating system does not know the user.
 */
export async function profileFiles(): Promise<{ configFile: Profiles; credentialsFile: Profiles }> {
  const { loadSharedConfigFiles } = await import("@smithy/core/config");
  return loadSharedConfigFiles({ ignoreCache: true }).catch((error: unknown) => {
    if ((Object(error) as { syscall?: unknown }).syscall !== "uv_os_homedir") throw error;
    return { configFile: {}, credentialsFile: {} };
  });
}

type Profiles = Readonly<Partial<Record<string, Readonly<Partial<Record<string, string>>>>>>;

async function settingsOf(profile: string | undefined) {
  const { getProfileName } = await import("@smithy/core/config");
  const name = getProfileName(profile === undefined ? {} : { profile });
  const { configFile, credentialsFile } = await profileFiles();
  const known = name in configFile || name in credentialsFile;
  return { name, settings: known ? { ...configFile[name], ...credentialsFile[name] } : undefined };
}

async function requireProfile(profile: string | undefined): Promise<void> {
  const { name, settings } = await settingsOf(profile);
  // The profile "default" need not exist if no profile was named.
  if (settings !== undefined || (profile === undefined && name === "default")) return;
  throw new Error(`the AWS configuration has no profile ${JSON.stringify(name)}`);
}

/** The settings that say where a profile's credentials come from. */
const SOURCES = [
  "aws_access_key_id",
  "role_arn",
  "web_identity_token_file",
  "credential_process",
  "sso_start_url",
  "sso_session",
  "login_session",
] as const;

async function hasCredentials(profile: string | undefined): Promise<boolean> {
  const { settings } = await settingsOf(profile);
  return SOURCES.some((name) => settings?.[name] !== undefined);
}

/** True from a minute before the expiry, so that no request arrives with expired credentials. */
function isExpiring({ expiration }: { readonly expiration?: Date }): boolean {
  return expiration !== undefined && expiration.getTime() - Date.now() < 60_000;
}

/**
 * If a `credential_process` failed, returns an error that names the profile and, if possible, the
 * program. The SDK's error may contain the whole command and its output, and both may hold secrets.
 * So the returned error does not even have the SDK's error as its `cause`.
 */
async function withProcess(error: unknown, profile: string | undefined): Promise<unknown> {
  const { name, settings } = await settingsOf(profile);
  const command = settings?.["credential_process"];
  const ofProfile = `of profile ${JSON.stringify(name)}`;
  if (command !== undefined) {
    const program = PROGRAM.exec(command)?.[1];
    return new Error(`credential_process ${ofProfile} failed${program === undefined ? "" : `: ${program}`}`);
  }
  const isOfSource = types.isNativeError(error) && error.message.startsWith("Command failed");
  return isOfSource ? new Error(`credential_process of the source_profile ${ofProfile} failed`) : error;
}

/**
 * Finds the program in a command. The command may begin with assignments of variables (`A=b`). No
 * match if the program or an assignment contains a quotation mark.
 */
const PROGRAM = /^\s*(?:\w+=[^\s"']*\s+)*([^\s"'=]+)(?=\s|$)/;

/**
 * Finds the region in this order: `given`; the region of `profile`; AWS_REGION; AWS_DEFAULT_REGION;
 * the region of the profile in AWS_DEFAULT_PROFILE, in AWS_PROFILE, or of "default".
 *
 * @param environment default: `process.env`
 */
export async function awsRegion(
  given: string | undefined,
  profile: string | undefined,
  environment?: Environment,
): Promise<string | undefined> {
  if (given !== undefined) return given;
  const { settings } = await settingsOf(profile ?? (await defaultProfile(environment)));
  const ofProfile = settings?.["region"];
  if (profile !== undefined && ofProfile) return ofProfile;
  const ofEnvironment = await variable(
    (env) => readVariable(env, "AWS_REGION") ?? readVariable(env, "AWS_DEFAULT_REGION"),
    environment,
  );
  return ofEnvironment ?? ofProfile;
}

/** @see https://docs.aws.amazon.com/cli/v1/userguide/cli-configure-envvars.html */
const defaultProfile = (environment: Environment | undefined) =>
  variable((env) => readVariable(env, "AWS_DEFAULT_PROFILE"), environment);

/** @param environment default: `process.env`, which the SDK reads */
async function variable(
  select: (environment: Environment) => string | undefined,
  environment: Environment | undefined,
): Promise<string | undefined> {
  if (environment !== undefined) return select(environment);
  const { loadConfig } = await import("@smithy/core/config");
  const selectors = { environmentVariableSelector: select, configFileSelector: () => undefined };
  const found = await loadConfig({ ...selectors, default: "" })();
  return found === "" ? undefined : found;
}

const ignore = () => undefined;
