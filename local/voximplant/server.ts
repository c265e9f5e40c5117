import { listen, type Listening } from "../listen.ts";
import { createManagementApi, type InProcessManagementApi, type ManagementApiOptions } from "./in-process.ts";

export type { ManagementApiOptions } from "./in-process.ts";

export interface ManagementApi extends InProcessManagementApi, Listening {}

/**
 * Serves {@link createManagementApi} on loopback. `apiUrl` is the value for `VOXIMPLANT_API_URL`,
 * with `/platform_api`.
 *
 * @param options.port 0, the default: any free one.
 */
export async function startManagementApi(
  options: ManagementApiOptions & { readonly port?: number },
): Promise<ManagementApi> {
  const inProcess = createManagementApi(options);
  const server = await listen({
    port: options.port ?? 0,
    what: "the Management API stand-in (--voximplant-port)",
    maxBodyBytes: 1024 * 1024,
    serve: inProcess.serve,
  });
  return { ...inProcess, ...server, apiUrl: `${server.url}/platform_api` };
}
