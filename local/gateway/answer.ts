import * as z from "zod";
import type { ErrorResponse } from "../../lib/http/wire.ts";
import type { Answer } from "../exchange.ts";
import { type Refusal, responseTo } from "./refusal.ts";

const scalar = z.union([z.string(), z.number(), z.boolean()]);

/**
 * The form of a proxy integration's result. Any other result is "malformed", and the caller gets an
 * error.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-output-format
 */
const proxyResult = z.looseObject({
  statusCode: z.coerce.number().int().min(100).max(599),
  headers: z.record(z.string(), scalar).nullish(),
  multiValueHeaders: z.record(z.string(), z.array(scalar)).nullish(),
  cookies: z.array(z.string()).nullish(),
  body: z.string().nullish(),
  isBase64Encoded: z.boolean().nullish(),
});

/** The function's result as an HTTP answer; undefined if API Gateway would call it malformed. */
export function fromProxyResult(result: unknown, requestId: string): Answer | undefined {
  const parsed = proxyResult.safeParse(result);
  if (!parsed.success) return undefined;
  const { statusCode, headers, multiValueHeaders, cookies, body, isBase64Encoded } = parsed.data;
  const all = new Map<string, [name: string, value: string | string[]]>();
  const set = (name: string, value: string | string[]) => all.set(name.toLowerCase(), [name, value]);
  set("Content-Type", "application/json");
  set("x-amzn-RequestId", requestId);
  for (const [name, value] of Object.entries(headers ?? {})) set(name, String(value));
  for (const [name, values] of Object.entries(multiValueHeaders ?? {})) set(name, values.map(String));
  if (cookies) set("Set-Cookie", cookies);
  return {
    status: statusCode,
    headers: Object.fromEntries(all.values()),
    body: Buffer.from(body ?? "", isBase64Encoded === true ? "base64" : "utf8"),
  };
}

/** API Gateway's own answer, in the form of the deployed gateway response. */
export function fromRefusal(refusal: Refusal, requestId: string, callsMethods: boolean): Answer {
  const { error, status, description = refusal.message } = responseTo(refusal, callsMethods);
  const body: ErrorResponse = { error, error_description: description, request_id: requestId };
  return {
    status,
    headers: {
      "Content-Type": "application/json",
      "Cache-Control": "no-store",
      "x-amzn-RequestId": requestId,
      "x-amzn-ErrorType": refusal.type,
    },
    body: JSON.stringify(body),
  };
}
