import { headerOf, type RawRequest, UnreadableRequest } from "../exchange.ts";
import type { Parameters } from "./methods.ts";

/**
 * `/platform_api/<Method>`, or `/platform_api` with the method in `cmd`, as the official Node
 * client has it.
 */
export function methodOf(request: RawRequest, parameters: Parameters): string {
  const { path } = splitTarget(request.target);
  return /^\/platform_api\/(\w+)$/.exec(path)?.[1] ?? parameters.get("cmd") ?? path;
}

/** From the query and from a form, url-encoded or multipart. */
export async function readParameters(request: RawRequest): Promise<Parameters> {
  if (request.bodyTooLarge) throw new UnreadableRequest("The body is larger than 1 MiB.");
  const parameters = new Map(new URLSearchParams(splitTarget(request.target).query));
  const type = headerOf(request, "content-type") ?? "";
  if (type.startsWith("application/x-www-form-urlencoded")) {
    for (const [name, value] of new URLSearchParams(request.body.toString("utf8")))
      parameters.set(name, value);
  }
  if (type.startsWith("multipart/form-data")) {
    for (const [name, value] of await readMultipart(request.body, type)) {
      if (typeof value === "string") parameters.set(name, value);
    }
  }
  return parameters;
}

async function readMultipart(body: Buffer, type: string): Promise<FormData> {
  try {
    // Deprecated because it reads all of a body into memory; here it is in memory already, and 1 MiB at most.
    // eslint-disable-next-line @typescript-eslint/no-deprecated
    return await new Response(Uint8Array.from(body), { headers: { "Content-Type": type } }).formData();
  } catch (cause) {
    throw new UnreadableRequest("The body is not a multipart form.", { cause });
  }
}

/** By hand: `new URL` throws on a target such as `//`, which a client may well send. */
function splitTarget(target: string): { path: string; query: string } {
  const at = target.indexOf("?");
  return at === -1 ? { path: target, query: "" } : { path: target.slice(0, at), query: target.slice(at + 1) };
}
