import { type Answer, listen, type Listening, type RawRequest } from "../../local/listen.ts";

export interface LambdaApi extends Listening {
  /**
   * Variables of a function in a region, once they were changed: `us-east-1
   * vendor-prod-vend-token`.
   */
  readonly environments: ReadonlyMap<string, Readonly<Record<string, string>>>;
}

type Handler = (event: unknown) => Promise<unknown>;

/**
 * What `voxtoken admin` and a revocation use of AWS Lambda's API, in each region: Invoke,
 * GetFunctionConfiguration, UpdateFunctionConfiguration.
 * https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html
 *
 * @param functions by name
 * @param options.absent functions that a region does not have: `us-east-1 vendor-prod-vend-token`
 * @param options.locked functions that the caller may not change, likewise
 * @param options.unreadable functions whose variables Lambda cannot decrypt, likewise
 */
export async function startLambdaApi(
  functions: Readonly<Record<string, Handler | undefined>>,
  {
    absent = [],
    locked = [],
    unreadable = [],
  }: Readonly<Partial<Record<"absent" | "locked" | "unreadable", readonly string[]>>> = {},
): Promise<LambdaApi> {
  const environments = new Map<string, Readonly<Record<string, string>>>();

  async function answer({ method, target, body, headers }: RawRequest): Promise<Answer> {
    const [, name = "", operation] = /^\/2015-03-31\/functions\/([^/]+)\/(\w+)/.exec(target) ?? [];
    const place = `${regionOf(headers)} ${name}`;
    if (!(name in functions) || absent.includes(place)) return failure(404, "ResourceNotFoundException");
    if (operation === "invocations") return invoke(functions[name], body);
    const before = environments.get(place) ?? { SIGNING_KEY_TTL_SECONDS: "300" };
    if (method === "PUT") {
      const change = JSON.parse(body.toString()) as {
        RevisionId: string;
        Environment: { Variables: Record<string, string> };
      };
      if (locked.includes(place)) return failure(403, "AccessDeniedException");
      if (change.RevisionId !== revisionOf(before)) return failure(412, "PreconditionFailedException");
      environments.set(place, change.Environment.Variables);
    }
    const Variables = environments.get(place) ?? before;
    return json(200, {
      FunctionName: name,
      RevisionId: revisionOf(Variables),
      LastUpdateStatus: "Successful",
      Environment: unreadable.includes(place)
        ? { Error: { ErrorCode: "KMSAccessDeniedException", Message: "Lambda was unable to decrypt" } }
        : { Variables },
    });
  }

  const server = await listen({
    port: 0,
    what: "the Lambda API",
    maxBodyBytes: 1024 * 1024,
    serve: (request) => ({ fault: undefined, answer: () => answer(request) }),
  });
  return { ...server, environments };
}

const revisionOf = (variables: Readonly<Record<string, string>>) => JSON.stringify(variables);

/** Of the signature's scope: `…/20261124/us-east-1/lambda/aws4_request`. */
function regionOf(headers: RawRequest["headers"]): string {
  const authorization = headers.find(([name]) => name.toLowerCase() === "authorization")?.[1] ?? "";
  return /\/\d{8}\/([^/]+)\/lambda\//.exec(authorization)?.[1] ?? "no region";
}

async function invoke(handler: Handler | undefined, body: Buffer): Promise<Answer> {
  try {
    return json(200, await handler?.(JSON.parse(body.toString())));
  } catch (error) {
    const [errorType, errorMessage] =
      error instanceof Error ? [error.name, error.message] : ["string", String(error)];
    return { ...json(200, { errorType, errorMessage }), headers: { "X-Amz-Function-Error": "Unhandled" } };
  }
}

function failure(status: number, type: string): Answer {
  return { ...json(status, { Message: type }), headers: { "x-amzn-ErrorType": type } };
}

function json(status: number, body: unknown): Answer {
  return { status, body: JSON.stringify(body ?? null) };
}
