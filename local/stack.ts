import { readFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { serviceAccountsFor, type Policy } from "../lib/grants/policy.ts";
import { loadPolicy } from "../scripts/load-policy.ts";
import { localCredentials } from "./credentials.ts";
import type { FaultInjector } from "./fault.ts";
import { deployedRoutes } from "./gateway/route.ts";
import { IdentitiesError, type Identity, parseIdentities } from "./gateway/identity.ts";
import { type Gateway, startGateway } from "./gateway/server.ts";
import { buildFunctions, type Functions } from "./lambda/functions.ts";
import type { ExternalSecretsManager } from "./secrets-manager/external.ts";
import {
  type SecretsManager,
  type SecretsManagerOptions,
  startSecretsManager,
} from "./secrets-manager/server.ts";
import { platformOf } from "./voximplant/local-platform.ts";
import { type ManagementApi, type ManagementApiOptions, startManagementApi } from "./voximplant/server.ts";

export interface StackOptions {
  /** Default: 0 for each, for any free port. */
  readonly ports?: { readonly gateway?: number; readonly secrets?: number; readonly voximplant?: number };
  /** Default: local/grants.yml, which fits local/identities.json. */
  readonly grantsFile?: string;
  /** Default: local/identities.json. */
  readonly identitiesFile?: string;
  /**
   * The folder that keeps the service accounts' credentials between starts. Default: .local, which
   * git ignores.
   */
  readonly directory?: string;
  /** A Secrets Manager to use instead of the stand-in. */
  readonly externalSecretsManager?: ExternalSecretsManager;
  readonly payloadFormat?: "1.0" | "2.0";
  /** Settings of the functions (lib/configuration.ts). */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Called for every line that a function writes (audit records, metrics, logs), and for warnings
   * about the set-up.
   */
  readonly onLine?: (line: string) => void;
  /** Other options of the stand-ins. */
  readonly standIns?: {
    readonly secrets?: Omit<SecretsManagerOptions, "secrets" | "rotate" | "rotationFunctionArn" | "fault">;
    readonly voximplant?: Omit<ManagementApiOptions, "accounts" | "keys" | "rules" | "fault">;
  };
  readonly faults?: {
    readonly gateway?: FaultInjector;
    readonly secrets?: FaultInjector;
    readonly voximplant?: FaultInjector;
  };
}

export interface Stack {
  /** Base URL of the gateway. */
  readonly url: string;
  readonly gateway: Gateway;
  /** URL of the Secrets Manager in use. */
  readonly secretsUrl: string;
  /** Undefined if an external Secrets Manager is in use. */
  readonly secretsManager: SecretsManager | undefined;
  readonly managementApi: ManagementApi;
  readonly policy: Policy;
  readonly identities: readonly Identity[];
  /** What the functions have written so far, line by line. */
  readonly lines: readonly string[];
  /** To end a function's container, and to measure its memory. */
  readonly containers: Pick<Functions, "kill" | "heapBytes">;
  /** Calls functions/reconcile-keys.ts once, as its schedule would. */
  reconcile(event?: object): Promise<unknown>;
  close(): Promise<void>;
}

const root = resolve(import.meta.dirname, "..");

/**
 * The functions' environment, unless options replace a part. It has no credentials of the user who
 * runs the stack.
 */
const FUNCTION_ENV = {
  AWS_REGION: "us-east-1",
  AWS_ACCESS_KEY_ID: "ASIAFUNCTION0EXAMPLE",
  AWS_SECRET_ACCESS_KEY: "local-only-secret-of-the-functions-EXAMPLE",
  // Disables the SDK's warning about Node 20. The deployed functions run on a newer Node.
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
};

/**
 * Builds the functions and starts the stack on loopback: the stand-ins, with a key for each service
 * account of the grants file; vend-token; call-method, if a grant has methods; and the gateway.
 * rotate-key and reconcile-keys start when they are first called.
 *
 * @throws InvalidGrantsError, IdentitiesError, ListenError or FunctionError, with a message for the
 * user. Everything that was started is stopped again.
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const opened: { close(): Promise<void> }[] = [];
  const close = async () => {
    for (const one of opened.splice(0).reverse()) await one.close();
  };
  const open = async <T extends { close(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const one = await starting;
    opened.push(one);
    return one;
  };
  try {
    return { ...(await startAll(options, open)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startAll(
  options: StackOptions,
  open: <T extends { close(): Promise<void> }>(starting: Promise<T>) => Promise<T>,
): Promise<Omit<Stack, "close">> {
  const { ports = {}, faults = {}, standIns = {}, externalSecretsManager } = options;
  const policy = await loadPolicy(options.grantsFile ?? join(root, "local", "grants.yml"));
  const callsMethods = serviceAccountsFor("calls", policy).length > 0;
  const identities = await readIdentities(options.identitiesFile ?? join(root, "local", "identities.json"));
  const lines: string[] = [];
  const onLine = (line: string) => {
    lines.push(line);
    options.onLine?.(line);
  };
  const env: Record<string, string> = { ...FUNCTION_ENV, ...externalSecretsManager?.env, ...options.env };
  const functions = await open(buildFunctions(policy, { env, onLine }));

  let secrets = await credentialsBySecret(policy, options.directory ?? join(root, ".local"));
  let secretsManager: SecretsManager | undefined;
  if (externalSecretsManager === undefined) {
    secretsManager = await open(
      startSecretsManager({
        ...standIns.secrets,
        port: ports.secrets ?? 0,
        secrets: Object.fromEntries(secrets),
        rotationFunctionArn: "arn:aws:lambda:us-east-1:111122223333:function:rotate-key",
        rotate: async (event) => {
          await functions.invoke("rotate-key", event);
        },
        ...(faults.secrets && { fault: faults.secrets }),
      }),
    );
  } else {
    const { provideSecrets } = await import("./secrets-manager/external.ts");
    secrets = await provideSecrets(externalSecretsManager, secrets, onLine);
  }
  const secretsUrl = secretsManager?.url ?? externalSecretsManager?.url ?? "";
  const managementApi = await open(
    startManagementApi({
      ...standIns.voximplant,
      ...platformOf(policy, secrets, onLine),
      port: ports.voximplant ?? 0,
      ...(faults.voximplant && { fault: faults.voximplant }),
    }),
  );

  env["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = secretsUrl;
  env["VOXIMPLANT_API_URL"] = managementApi.apiUrl;
  await functions.start("vend-token");
  if (callsMethods) await functions.start("call-method");
  const gateway = await open(
    startGateway({
      port: ports.gateway ?? 0,
      identities,
      invoke: (event, name) => functions.invoke(name, event),
      routes: deployedRoutes.filter((route) => route.function !== "call-method" || callsMethods),
      payloadFormat: options.payloadFormat ?? "1.0",
      ...(faults.gateway && { fault: faults.gateway }),
    }),
  );
  return {
    url: gateway.url,
    gateway,
    secretsUrl,
    secretsManager,
    managementApi,
    policy,
    identities,
    lines,
    containers: functions,
    reconcile: (event = {}) => functions.invoke("reconcile-keys", event),
  };
}

async function readIdentities(file: string): Promise<Identity[]> {
  const name = relative(process.cwd(), file);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new IdentitiesError(`${name}: cannot be read: ${reason}`, { cause });
  }
  return parseIdentities(text, name);
}

async function credentialsBySecret(policy: Policy, directory: string): Promise<Map<string, string>> {
  const made = policy.serviceAccounts.map(
    async ({ name, secret, accountId }) =>
      [secret, await localCredentials(directory, name, accountId)] as const,
  );
  return new Map(await Promise.all(made));
}
