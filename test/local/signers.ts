import { Sha256 } from "@smithy/core/checksum";
import { SignatureV4 } from "@smithy/signature-v4";
import aws4 from "aws4";
import type { Identity } from "../../local/gateway/identity.ts";

/** A request as it goes over the wire. */
export interface SignedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

export interface ToSign {
  readonly identity: Identity;
  readonly url: string;
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Record<string, string>;
  readonly date?: Date;
  readonly region?: string;
  readonly service?: string;
}

export type Sign = (request: ToSign) => Promise<SignedRequest>;

function smithySigner({ identity, region = "us-east-1", service = "execute-api" }: ToSign): SignatureV4 {
  const { accessKeyId, secretAccessKey, sessionToken } = identity;
  return new SignatureV4({
    service,
    region,
    sha256: Sha256,
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
  });
}

function smithyRequest({ url, method = "POST", body = "", headers = {} }: ToSign) {
  const { protocol, hostname, host, pathname, searchParams } = new URL(url);
  const query: Record<string, string[]> = {};
  for (const [name, value] of searchParams) query[name] = [...(query[name] ?? []), value];
  return { protocol, hostname, path: pathname, query, method, body, headers: { ...headers, host } };
}

/** As the AWS SDKs for JavaScript sign. */
export const smithy: Sign = async (request) => {
  const { url, method = "POST", body = "", date = new Date() } = request;
  const signed = await smithySigner(request).sign(smithyRequest(request), { signingDate: date });
  return { method, url, body, headers: signed.headers };
};

/** A presigned URL: the signature stands in the query. */
export const presign = async (request: ToSign, expiresIn = 60): Promise<SignedRequest> => {
  const { url, method = "POST", body = "", date = new Date() } = request;
  const signed = await smithySigner(request).presign(smithyRequest(request), {
    signingDate: date,
    expiresIn,
  });
  const presigned = new URL(url);
  presigned.search = "";
  for (const [name, value] of Object.entries(signed.query ?? {})) {
    for (const one of [value].flat()) presigned.searchParams.append(name, one ?? "");
  }
  return { method, url: presigned.href.replaceAll("+", "%20"), body, headers: { ...request.headers } };
};

/** An implementation by other people. */
export const secondSigner: Sign = (request) => {
  const { url, method = "POST", body = "", headers = {}, date = new Date() } = request;
  const { accessKeyId, secretAccessKey, sessionToken } = request.identity;
  const { host, pathname, search } = new URL(url);
  const signed = aws4.sign(
    {
      host,
      path: pathname + search,
      method,
      body,
      service: request.service ?? "execute-api",
      region: request.region ?? "us-east-1",
      headers: { ...headers, "X-Amz-Date": date.toISOString().replace(/[-:]|\.\d{3}/g, "") },
    },
    { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
  );
  return Promise.resolve({ method, url, body, headers: signed.headers as Record<string, string> });
};

/** Sends what was signed; `fetch` adds Host and Content-Length itself. */
export async function send({ method, url, headers, body }: SignedRequest): Promise<Response> {
  const sent = Object.entries(headers).filter(([name]) => !/^(host|content-length)$/i.test(name));
  return fetch(url, { method, headers: Object.fromEntries(sent), ...(method !== "GET" && { body }) });
}
