import { listen, type Listening } from "../listen.ts";
import {
  createSecretsManager,
  type InProcessSecretsManager,
  type SecretsManagerOptions,
} from "./in-process.ts";

export type { SecretsManagerOptions } from "./in-process.ts";

export interface SecretsManager extends InProcessSecretsManager, Listening {}

/**
 * Serves {@link createSecretsManager} on loopback, for the unmodified AWS SDK and `aws` CLI.
 *
 * @param options.port 0, the default: any free one.
 */
export async function startSecretsManager(
  options: SecretsManagerOptions & { readonly port?: number } = {},
): Promise<SecretsManager> {
  const inProcess = createSecretsManager(options);
  const server = await listen({
    port: options.port ?? 0,
    what: "the Secrets Manager stand-in (--secrets-port)",
    maxBodyBytes: 1024 * 1024,
    serve: inProcess.serve,
  });
  return { ...inProcess, ...server };
}
