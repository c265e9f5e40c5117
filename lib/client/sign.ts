export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

interface SignableRequest {
  readonly method: "GET" | "POST";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface SigningScope {
  readonly credentials: AwsCredentials;
  readonly region: string;
  readonly signingName: string;
  readonly date: Date;
}

/**
 * Signs a request by Signature Version 4. The signature covers the host's port, and every value of
 * a repeated query parameter.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
 *
 * @returns the headers to send, without `host`: fetch adds the same `host` that was signed
 */
export async function signRequest(
  request: SignableRequest,
  scope: SigningScope,
): Promise<Record<string, string>> {
  // Loaded when first needed: voxtoken mostly finds its token in the cache, and signs nothing.
  const [{ SignatureV4 }, { Sha256 }] = await Promise.all([
    import("@smithy/signature-v4"),
    import("@smithy/core/checksum"),
  ]);
  const { url } = request;
  const { accessKeyId, secretAccessKey, sessionToken } = scope.credentials;
  const signer = new SignatureV4({
    service: scope.signingName,
    region: scope.region,
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
    sha256: Sha256,
  });
  const signed = await signer.sign(
    {
      method: request.method,
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query: queryBag(url),
      headers: { ...request.headers, host: url.host },
      body: request.body,
    },
    { signingDate: scope.date },
  );
  return Object.fromEntries(Object.entries(signed.headers).filter(([name]) => name !== "host"));
}

function queryBag(url: URL): Record<string, string[]> {
  const names = [...new Set(url.searchParams.keys())];
  return Object.fromEntries(names.map((name) => [name, url.searchParams.getAll(name)]));
}
