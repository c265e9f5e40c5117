import type { MethodRequest } from "../grants/policy.ts";
import type { VendFailure } from "../outcome.ts";
import { METHOD_NAME } from "../voximplant/method-name.ts";
import type { GatewayRequest } from "./request.ts";

export const MAX_METHOD_BODY_BYTES = 256 * 1024;

/**
 * The call that the caller asks for: grants decide about `request`, and `parameters` is the form to
 * send.
 */
export interface MethodCall {
  readonly request: MethodRequest;
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 * Parameters that authenticate a call. The token authenticates the call, so the form must not
 * contain any of them.
 *
 * @see https://voximplant.com/docs/references/httpapi/auth_parameters
 */
const AUTHENTICATION = new Set(
  (
    "api_key session_id access_token jwt account_name account_email account_password " +
    "admin_user_id admin_user_name admin_user_api_key admin_user_password"
  ).split(" "),
);
/** The official clients name the method in it. It could differ from the method in the path. */
const METHOD_PARAMETER = "cmd";

const PARAMETER_NAME = /^[a-z][a-z0-9_]{0,63}$/;
const MAX_PARAMETERS = 100;
const ACCOUNT_ID = /^[1-9][0-9]{0,14}$/;
// oxlint-disable-next-line no-control-regex -- these characters are refused
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f]/;

/** A fault of the request. The caller sees the message. */
class Wrong extends Error {
  override readonly name = "Wrong";
}

/**
 * Reads a request to call a method: its parameters as a JSON object or a form. An array becomes the
 * platform's list, `a;b;c`. `account_id` is not sent: the token is minted for that account.
 */
export function readMethodCall(
  serviceAccount: string,
  method: string,
  request: Pick<GatewayRequest, "body" | "contentType" | "hasQuery">,
): MethodCall | VendFailure {
  try {
    if (!METHOD_NAME.test(method)) {
      throw new Wrong("the method in the path: must be 1 to 64 letters, digits and _");
    }
    if (request.hasQuery) throw new Wrong("query: must be empty; parameters belong in the body");
    const parameters = readParameters(request);
    const account = parameters.get("account_id");
    parameters.delete("account_id");
    const accountId = account === undefined ? {} : { accountId: Number(account) };
    return { request: { serviceAccount, method, ...accountId }, parameters };
  } catch (error) {
    if (!(error instanceof Wrong)) throw error;
    return { reason: "invalid_request", detail: error.message };
  }
}

function readParameters({ body, contentType }: Pick<GatewayRequest, "body" | "contentType">) {
  if (Buffer.byteLength(body) > MAX_METHOD_BODY_BYTES) {
    throw new Wrong(`body: must be at most ${MAX_METHOD_BODY_BYTES} bytes`);
  }
  // Decoding replaces each byte that is not UTF-8 by U+FFFD, which the platform would get.
  if (body.includes("\ufffd")) throw new Wrong("body: must be UTF-8");
  const fields = body === "" ? [] : parserFor(contentType)(body);

  const parameters = new Map<string, string>();
  for (const [name, value] of fields) {
    checkName(name);
    if (parameters.has(name)) throw new Wrong(`${name}: appears twice`);
    parameters.set(name, checkText(name, value));
  }
  if (parameters.size > MAX_PARAMETERS)
    throw new Wrong(`body: must have at most ${MAX_PARAMETERS} parameters`);
  return parameters;
}

type Fields = (readonly [name: string, value: string])[];

function parserFor(contentType = ""): (body: string) => Fields {
  const [type = "", ...options] = contentType
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  const isUtf8 = options.every(
    (option) => !option.startsWith("charset=") || /^charset="?utf-8"?$/.test(option),
  );
  if (type === "application/json" && isUtf8) return fromJson;
  if (type === "application/x-www-form-urlencoded" && isUtf8) return fromForm;
  throw new Wrong("content-type: must be application/json or application/x-www-form-urlencoded, in UTF-8");
}

function fromForm(body: string): Fields {
  const fields = [...new URLSearchParams(body)];
  for (const [name, value] of fields) {
    if (`${name}${value}`.includes("\ufffd"))
      throw new Wrong("body: must be UTF-8, also where it is percent-encoded");
    if (name === "account_id" && !ACCOUNT_ID.test(value)) throw new Wrong(NOT_AN_ACCOUNT);
  }
  return fields;
}

function fromJson(body: string): Fields {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    throw new Wrong('body: must be JSON, such as {"rule_id": 42}');
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new Wrong("body: must be a JSON object");
  }
  return Object.entries(json as Record<string, unknown>).map(([name, value]) => {
    checkName(name);
    if (name === "account_id" && !(typeof value === "number" && ACCOUNT_ID.test(String(value)))) {
      throw new Wrong(NOT_AN_ACCOUNT);
    }
    return [name, Array.isArray(value) ? list(name, value) : scalar(name, value)];
  });
}

const NOT_AN_ACCOUNT = "account_id: must be the id of a child account, a positive whole number";

function list(name: string, values: readonly unknown[]): string {
  if (values.length === 0) throw new Wrong(`${name}: must not be an empty list; leave it out`);
  return values
    .map((value) => {
      const text = scalar(name, value);
      if (text.includes(";")) throw new Wrong(`${name}: an item of a list must not have a semicolon`);
      return text;
    })
    .join(";");
}

function scalar(name: string, value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return String(value);
  if (typeof value !== "number") {
    throw new Wrong(`${name}: must be a string, a number, a boolean, or a list of those`);
  }
  const text = String(value);
  // JSON.parse rounds a larger number, so the value may differ from what was sent.
  if (Math.abs(value) <= Number.MAX_SAFE_INTEGER && !text.includes("e")) return text;
  throw new Wrong(`${name}: is too large or too small for a JSON number; send it as a string`);
}

function checkName(name: string): void {
  if (!PARAMETER_NAME.test(name)) {
    const shown = JSON.stringify(name.slice(0, 64));
    throw new Wrong(
      `${shown}: the name of a parameter must begin with a-z, and have at most 64 of a-z, 0-9 and _`,
    );
  }
  if (AUTHENTICATION.has(name)) throw new Wrong(`${name}: must be left out; the vendor signs the call`);
  if (name === METHOD_PARAMETER) throw new Wrong(`${name}: must be left out; the path names the method`);
}

function checkText(name: string, value: string): string {
  const [found] = CONTROL_CHARACTER.exec(value) ?? [];
  if (found !== undefined) {
    const code = found.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
    throw new Wrong(
      `${name}: must not have control characters, such as U+${code}; to send them, call Voximplant directly with a token`,
    );
  }
  if (/\p{Surrogate}/u.test(value)) throw new Wrong(`${name}: must be valid Unicode`);
  return value;
}
