import { headerOf, type RawRequest, UnreadableRequest } from "../exchange.ts";
import type { Parameters } from "./methods.ts";

/**
 * The method of a request: `/platform_api/<Method>`, or `/platform_api` with the method in `cmd`,
 * as the official Node client sends it.
 */
export function methodOf(request: RawRequest, parameters: Parameters): string {
  const { path } = splitTarget(request.target);
  return /^\/platform_api\/(\w+)$/.exec(path)?.[1] ?? parameters.get("cmd") ?? path;
}

/** Reads the parameters from the query and from a form, url-encoded or multipart. */
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
    // `formData` is deprecated because it reads a whole body into memory. Here the body is already
    // in memory.
    // oxlint-disable-next-line typescript/no-deprecated
    return await new Response(Uint8Array.from(body), { headers: { "Content-Type": type } }).formData();
  } catch (cause) {
    throw new UnreadableRequest("The body is not a multipart form.", { cause });
  }
}

/** Without `new URL`, which throws on a target such as `//`. */
function splitTarget(target: string): { path: string; query: string } {
  const at = target.indexOf("?");
  return at === -1 ? { path: target, query: "" } : { path: target.slice(0, at), query: target.slice(at + 1) };
}
