import { type Environment, present, readVariable } from "../environment.ts";

/**
 * The identity of the AWS credentials, if the configuration alone determines it: an access key, a
 * role to assume, a role of IAM Identity Center. Undefined for credentials from a
 * `credential_process`, ECS or EC2.
 *
 * The identity is part of the cache's key. An access key id would not do for an assumed role: each
 * run of voxtoken gets a new id for the role, so no run would find the cached token. The sources
 * have the same order as in awsCredentials.
 * https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
 */
export async function credentialIdentity(
  env: Environment,
  givenProfile: string | undefined,
): Promise<readonly string[] | undefined> {
  const given = present(givenProfile);
  const profile = given ?? readVariable(env, "AWS_DEFAULT_PROFILE") ?? readVariable(env, "AWS_PROFILE");
  const key = readVariable(env, "AWS_ACCESS_KEY_ID");
  const secret = readVariable(env, "AWS_SECRET_ACCESS_KEY");
  if (given === undefined && key && secret) return ["key", key];

  // Loaded only here: with a key in the environment, a cached token needs nothing of the SDK.
  const { profileFiles } = await import("../client/credentials.ts");
  const { configFile, credentialsFile } = await profileFiles();
  const name = profile ?? "default";
  const settings = { ...configFile[name], ...credentialsFile[name] };
  const {
    role_arn: role,
    aws_access_key_id: staticKey,
    sso_account_id: account,
    sso_role_name: ssoRole,
  } = settings;
  if (role && (settings["source_profile"] ?? settings["credential_source"])) return ["role", role];
  const others = role ?? account ?? settings["credential_process"] ?? settings["login_session"];
  if (staticKey && settings["aws_secret_access_key"] && others === undefined) return ["key", staticKey];
  // A credential process, or two kinds of credentials: only the SDK knows the identity.
  if (staticKey ?? settings["credential_process"]) return undefined;
  if (role && settings["web_identity_token_file"]) return ["role", role];
  if (role === undefined && account && ssoRole) return ["sso", account, ssoRole];
  const podRole = readVariable(env, "AWS_ROLE_ARN");
  const tokenFile = readVariable(env, "AWS_WEB_IDENTITY_TOKEN_FILE");
  if (others === undefined && podRole && tokenFile) return ["role", podRole];
  return undefined;
}
