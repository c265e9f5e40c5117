import { TokenError } from "../client/errors.ts";
import type { PlatformAnswer } from "../client/answer.ts";
import type { MethodParameters } from "../client/requests.ts";

/** Asks the vendor to call a method. */
export type CallMethod = (
  method: string,
  parameters: MethodParameters,
  accountId: number | undefined,
  signal: AbortSignal,
) => Promise<PlatformAnswer>;

/** The vendor accepts 256 KiB of JSON. A multipart form of the same parameters is longer. */
const MAX_BODY_BYTES = 512 * 1024;

/**
 * A `fetch` for requests of an official client. It asks the vendor to call the method that the path
 * or the field `cmd` names. Parameters are in the query, in a form or in a multipart form.
 *
 * @param ownAccountId the account of the client's credentials file. An `account_id` with this value
 *   is ignored.
 * @param apiUrl the Management API of the requests
 */
export function vendorCalls(call: CallMethod, ownAccountId: number, apiUrl: string): typeof fetch {
  const basePath = new URL(apiUrl).pathname.replace(/\/+$/, "");
  return async (input, init) => {
    const request = new Request(input, init);
    const { pathname, searchParams } = new URL(request.url);
    const fields = new Map<string, string>();
    for (const [name, value] of [...searchParams, ...(await formOf(request))]) {
      if (fields.has(name)) throw new TokenError("invalid_request", `${name}: appears twice`);
      fields.set(name, value);
    }
    const named = pathname.startsWith(basePath)
      ? /^\/(\w+)\/?$/.exec(pathname.slice(basePath.length))?.[1]
      : undefined;
    const command = fields.get("cmd");
    const method = named ?? command;
    if (method === undefined) throw new TokenError("invalid_request", "the request names no method");
    if (command !== undefined && command !== method) {
      throw new TokenError("invalid_request", "cmd: names another method than the path");
    }
    const accountId = fields.get("account_id");
    fields.delete("cmd");
    fields.delete("account_id");
    if (accountId !== undefined && !/^[1-9]\d*$/.test(accountId))
      throw new TokenError("invalid_request", "account_id: must be a positive whole number");
    const child =
      accountId === undefined || accountId === String(ownAccountId) ? undefined : Number(accountId);
    const { status, text } = await call(method, Object.fromEntries(fields), child, request.signal);
    return new Response(text, { status, headers: { "content-type": "application/json" } });
  };
}

async function formOf(request: Request): Promise<[string, string][]> {
  const type = request.headers.get("content-type");
  const chunks: Uint8Array[] = [];
  let size = 0;
  const body: AsyncIterable<Uint8Array> | null = request.body;
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BODY_BYTES) {
      throw new TokenError("invalid_request", `the body is larger than ${MAX_BODY_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  if (size === 0) return [];
  const whole = new Response(Buffer.concat(chunks), { headers: { "content-type": type ?? "" } });
  // Deprecated because it reads all of a body into memory; here it is in memory already.
  // oxlint-disable-next-line typescript/no-deprecated
  const form = await whole.formData().catch((cause: unknown) => {
    throw new TokenError("invalid_request", "the body is not a form", { cause });
  });
  return [...form].map(([name, value]) => {
    if (typeof value === "string") return [name, value];
    throw new TokenError("invalid_request", `${name}: the vendor does not forward files`);
  });
}
