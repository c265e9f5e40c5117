import { headerOf, type RawRequest } from "../listen.ts";
import type { Parameters } from "./methods.ts";

/** `/platform_api/<Method>`, or `/platform_api` with the method in `cmd`, as the official Node client has it. */
export function methodOf(request: RawRequest, parameters: Parameters): string {
  const { pathname } = new URL(request.target, "http://localhost");
  return /^\/platform_api\/(\w+)$/.exec(pathname)?.[1] ?? parameters.get("cmd") ?? pathname;
}

/** From the query and from a form, url-encoded or multipart. */
export async function readParameters(request: RawRequest): Promise<Parameters> {
  const parameters = new Map(new URL(request.target, "http://localhost").searchParams);
  const type = headerOf(request, "content-type") ?? "";
  if (type.startsWith("application/x-www-form-urlencoded")) {
    for (const [name, value] of new URLSearchParams(request.body.toString("utf8")))
      parameters.set(name, value);
  }
  if (type.startsWith("multipart/form-data")) {
    // Deprecated because it reads all of a body into memory; here it is in memory already, and 1 MiB at most.
    // eslint-disable-next-line @typescript-eslint/no-deprecated
    const form = await new Response(request.body, { headers: { "Content-Type": type } }).formData();
    for (const [name, value] of form) if (typeof value === "string") parameters.set(name, value);
  }
  return parameters;
}
