/** `npm start`: the local stack, kept running on loopback. */
import { once } from "node:events";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import pc from "picocolors";
import { deleteEmpty } from "../lib/environment.ts";
import { InvalidGrantsError } from "../scripts/load-policy.ts";
import { IdentitiesError } from "./gateway/identity.ts";
import { FunctionError } from "./lambda/function.ts";
import { ListenError } from "./listen.ts";
import { settingsFrom } from "./settings.ts";
import { type Stack, startStack } from "./stack.ts";
import { suggestions } from "./suggestions.ts";

const USAGE = `Usage: npm start -- [options]

Starts the gateway, the built functions, and the stand-ins for Secrets Manager
and the Management API, on 127.0.0.1.

  --port PORT               the gateway (default 8787; 0: any free one)
  --secrets-port PORT       the Secrets Manager stand-in (default: --port + 1)
  --voximplant-port PORT    the Management API stand-in (default: --port + 2)
  --grants FILE             the grants file (default grants.yml)
  --identities FILE         the access keys and their identities, a JSON list
                            (default local/identities.json)
  --create-key-shape SHAPE  CreateKey's result: object (default) or array; the
                            real one is unknown
  --replica-region REGION   a region to report as a replica of each secret; may
                            be repeated
  --quiet                   do not print the functions' log
  --help                    print this text

If AWS_ENDPOINT_URL_SECRETS_MANAGER is set, that server is used instead of the
stand-in.
`;

// An empty variable counts as absent. Without this, the AWS SDK would use its empty value.
deleteEmpty(process.env);
// Without this, the AWS SDK prints a warning about its support of Node 20 if an external Secrets
// Manager is used.
process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";

class UsageError extends Error {
  override readonly name = "UsageError";
}

try {
  const flags = readFlags(process.argv.slice(2));
  if (flags.help) process.stdout.write(USAGE);
  else await run(flags);
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`${error.message}\n\n${USAGE}`);
    process.exitCode = 2;
  } else if (isForThePerson(error)) {
    console.error(error.message);
    process.exitCode = 1;
  } else throw error;
}

async function run(flags: Flags): Promise<void> {
  const stop = Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  const stack = await startStack({
    ...settingsFrom(process.env),
    ports: { gateway: flags.port, secrets: flags.secretsPort, voximplant: flags.voximplantPort },
    grantsFile: flags.grants ?? resolve(import.meta.dirname, "..", "grants.yml"),
    ...(flags.identities !== undefined && { identitiesFile: flags.identities }),
    standIns: {
      voximplant: { createKeyShape: flags.createKeyShape },
      ...(flags.replicaRegions && { secrets: { replicaRegions: flags.replicaRegions } }),
    },
    onLine: (line) => {
      if (!flags.quiet) console.log(pc.dim(line));
    },
  });
  console.log(greeting(stack, flags));
  await stop;
  await stack.close();
}

function greeting(stack: Stack, flags: Flags): string {
  const { url, secretsUrl, secretsManager, managementApi } = stack;
  return [
    "",
    `Gateway          ${url}`,
    `Secrets Manager  ${secretsUrl}${secretsManager === undefined ? " (from AWS_ENDPOINT_URL_SECRETS_MANAGER)" : ""}`,
    `Management API   ${managementApi.apiUrl}`,
    "",
    suggestions(stack, { profiles: flags.identities === undefined }),
    "",
    flags.quiet
      ? "Press Ctrl-C to stop."
      : "The functions' log follows, with an audit record for each request. Press Ctrl-C to stop.",
    "",
  ].join("\n");
}

type Flags = ReturnType<typeof readFlags>;

function readFlags(args: string[]) {
  const string = { type: "string" } as const;
  const boolean = { type: "boolean", default: false } as const;
  const parse = () =>
    parseArgs({
      args,
      options: {
        port: { ...string, default: "8787" },
        "secrets-port": string,
        "voximplant-port": string,
        grants: string,
        identities: string,
        "create-key-shape": { ...string, default: "object" },
        "replica-region": { ...string, multiple: true },
        quiet: boolean,
        help: boolean,
      },
    });
  let values: ReturnType<typeof parse>["values"];
  try {
    ({ values } = parse());
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
  const port = readPort("--port", values.port);
  /** @returns the port of a stand-in that has no flag of its own */
  const beside = (offset: number) => {
    if (port === 0) return "0";
    if (port + offset <= 65_535) return String(port + offset);
    throw new UsageError("With such a high --port, give --secrets-port and --voximplant-port too.");
  };
  return {
    port,
    secretsPort: readPort("--secrets-port", values["secrets-port"] ?? beside(1)),
    voximplantPort: readPort("--voximplant-port", values["voximplant-port"] ?? beside(2)),
    grants: values.grants,
    identities: values.identities,
    createKeyShape: readShape(values["create-key-shape"]),
    replicaRegions: values["replica-region"],
    quiet: values.quiet,
    help: values.help,
  };
}

function readShape(text: string): "object" | "array" {
  if (text === "object" || text === "array") return text;
  throw new UsageError(`--create-key-shape must be object or array, not ${JSON.stringify(text)}.`);
}

function readPort(flag: string, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new UsageError(`${flag} must be a port from 0 to 65535, not ${JSON.stringify(text)}.`);
}

/** Errors whose message says how to fix the problem. All others are shown with their stack. */
function isForThePerson(error: unknown): error is Error {
  return [InvalidGrantsError, IdentitiesError, ListenError, FunctionError].some(
    (kind) => error instanceof kind,
  );
}
