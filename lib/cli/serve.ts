import type { Server } from "node:http";
import { Command, Option } from "commander";
import { managementApiUrl } from "./api.ts";
import { CliError, EXIT } from "./cli-error.ts";
import type { Io } from "./io.ts";
import { addRequestOptions, type RequestFlags, vendorOptions } from "./vendor.ts";
import { wholeNumber } from "./whole-number.ts";

interface ServeFlags extends RequestFlags {
  readonly port: number;
  readonly credentials: string;
  readonly apiUrl?: string;
  readonly quiet?: boolean;
}

/** The time limit for open requests after the signal to stop. */
const STOP_MS = 10_000;

export function serveCommand(io: Io): Command {
  return addRequestOptions(new Command("serve"))
    .description("run a local server that lets Voximplant's official clients work without a real key")
    .argument("<service-account>", "a name that voxtoken whoami lists")
    .requiredOption("--credentials <file>", "the client's credentials file to write; removed at the end")
    .addOption(
      new Option("--port <port>", "port to listen on at 127.0.0.1; 0: any free one")
        .argParser(wholeNumber(0, 65_535))
        .default(8790),
    )
    .option("--api-url <url>", "another Management API (default: VOXIMPLANT_API_URL, or Voximplant's)")
    .option("-q, --quiet", "do not print a line for each call")
    .addHelpText(
      "after",
      `
Example:
  $ voxtoken serve call-history --credentials /run/app/voximplant.json
  then, in the program's configuration:
    credentials file  /run/app/voximplant.json
    API               http://127.0.0.1:8790/platform_api

The file holds a throwaway key, with which the client signs its own tokens.
voxtoken checks these tokens. It then sends the request to Voximplant with a
vended token, or lets the vendor call the method if the grant lists methods.
The file is written as soon as requests can be served. While they can be served,
GET /health answers 200. docs/clients.md shows the settings for each client.`,
    )
    .action((serviceAccount: string, flags: ServeFlags) => serve(io, serviceAccount, flags));
}

async function serve(io: Io, serviceAccount: string, flags: ServeFlags): Promise<void> {
  // Loaded here, because no other command needs jose and a server.
  const [{ makeThrowawayKey, removeCredentials, writeCredentials }, { createTokenProxy }, { openUpstream }] =
    await Promise.all([
      import("../serve/throwaway-key.ts"),
      import("../serve/server.ts"),
      import("../serve/open-upstream.ts"),
    ]);
  const { port, credentials: file, ttl: ttlSeconds, accountId: childAccountId } = flags;
  const apiUrl = managementApiUrl(io, flags.apiUrl);
  const { accountId, what, ...upstream } = await openUpstream({
    vendor: vendorOptions(io, flags),
    serviceAccount,
    ttlSeconds,
    accountId: childAccountId,
    apiUrl,
    fetch: io.fetch,
    monotonic: io.monotonic,
  });
  const key = await makeThrowawayKey(accountId);
  const server = createTokenProxy({
    ...upstream,
    key,
    apiUrl,
    monotonic: io.monotonic,
    log: (line) => {
      if (flags.quiet !== true) io.stdout.write(`${new Date(io.now()).toISOString()} ${line}\n`);
    },
  });
  let stopListening: (() => void) | undefined;
  const stopped = new Promise<void>((resolve) => {
    stopListening = io.onInterrupt?.(resolve);
  });
  const address = await listen(server, port);
  try {
    await writeCredentials(file, key).catch((cause: unknown) => {
      const message = cause instanceof Error ? cause.message : String(cause);
      const hint = "give --credentials a file that does not exist yet, in a folder that you may write to";
      throw new CliError(message, EXIT.failure, hint, { cause });
    });
    try {
      io.stdout.write(
        `Serving ${what} on http://127.0.0.1:${address}/platform_api\n` +
          `The client's credentials file: ${file}\n`,
      );
      await stopped;
    } finally {
      await removeCredentials(file, key);
      // From here on, another signal ends the process at once.
      stopListening?.();
    }
  } finally {
    await close(server);
  }
}

/** @returns the port */
function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const inUse = cause.code === "EADDRINUSE";
      const message = inUse
        ? `port ${port} is in use`
        : `cannot listen on 127.0.0.1:${port}: ${cause.message}`;
      reject(new CliError(message, EXIT.failure, "give another --port; 0 takes any free one", { cause }));
    });
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

/** Accepts no new requests, and gives open ones some time to end. */
async function close(server: Server): Promise<void> {
  const timer = setTimeout(() => {
    server.closeAllConnections();
  }, STOP_MS);
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeIdleConnections();
  });
  clearTimeout(timer);
}
