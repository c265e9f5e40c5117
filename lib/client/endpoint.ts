import { hostSuffixes, REGION } from "../partitions.ts";
import { isLoopback } from "../voximplant/api-url.ts";
import { TokenError } from "./errors.ts";

/** The address of a token vendor, and the service and region to sign for. */
export interface Endpoint {
  readonly url: URL;
  readonly signingName: "execute-api" | "lambda";
  /** From the host name; undefined for a custom domain. */
  readonly region: string | undefined;
}

/**
 * Reads one URL of the vendor. It must be https, except to this machine: a signature can be
 * replayed for five minutes, and the answer holds a token.
 *
 * @throws TokenError `invalid_options`
 */
export function parseEndpoint(text: string): Endpoint {
  if (!URL.canParse(text))
    throw new TokenError("invalid_options", `url ${JSON.stringify(text)} is not a URL`);
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") {
    throw new TokenError("invalid_options", "url must not hold a user name or password");
  }
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url))) {
    throw new TokenError("invalid_options", `url ${url.origin} must be https (http only for this machine)`);
  }
  url.hash = "";
  return { url, ...signingScope(url.hostname) };
}

/** The address of a resource. Keeps the endpoint's own path (a stage) and query. */
export function resourceUrl({ url }: Endpoint, path: string): URL {
  const resource = new URL(url);
  resource.pathname = `${url.pathname.replace(/\/+$/, "")}${path}`;
  return resource;
}

const SUFFIX = Object.values(hostSuffixes)
  .flat()
  .join("|")
  .replaceAll(".", String.raw`\.`);
const API_HOST = new RegExp(String.raw`\.execute-api\.(${REGION})\.(?:vpce\.)?(?:${SUFFIX})$`);
const FUNCTION_HOST = new RegExp(String.raw`\.lambda-url\.(${REGION})\.on\.aws$`);

/**
 * Host names that contain the region:
 * `abc.execute-api.eu-west-1.amazonaws.com`, `abc-vpce-0a1b.execute-api.…`,
 * `vpce-0a1b.execute-api.us-east-1.vpce.amazonaws.com`; `abc.lambda-url.eu-west-1.on.aws`.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-private-api-test-invoke-url.html
 * https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
 */
function signingScope(hostname: string): Pick<Endpoint, "signingName" | "region"> {
  const functionUrl = FUNCTION_HOST.exec(hostname);
  if (functionUrl) return { signingName: "lambda", region: functionUrl[1] };
  const api = API_HOST.exec(hostname);
  return { signingName: "execute-api", region: api?.[1] };
}
