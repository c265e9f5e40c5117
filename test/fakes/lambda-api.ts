import { type Answer, listen, type Listening, type RawRequest } from "../../local/listen.ts";

export interface LambdaApi extends Listening {
  /** Of every function: the one that the tests change. */
  readonly environment: Record<string, string>;
}

type Handler = (event: unknown) => Promise<unknown>;

/**
 * What `voxtoken admin` uses of AWS Lambda's API: Invoke, GetFunctionConfiguration,
 * UpdateFunctionConfiguration.
 * https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html
 */
export async function startLambdaApi(
  functions: Readonly<Record<string, Handler | undefined>>,
  { mayUpdate = true }: { readonly mayUpdate?: boolean } = {},
): Promise<LambdaApi> {
  const environment: Record<string, string> = { SIGNING_KEY_TTL_SECONDS: "300" };
  let revision = 1;

  async function answer({ method, target, body }: RawRequest): Promise<Answer> {
    const [, name = "", operation] = /^\/2015-03-31\/functions\/([^/]+)\/(\w+)/.exec(target) ?? [];
    if (!(name in functions)) return failure(404, "ResourceNotFoundException");
    if (operation === "invocations") return invoke(functions[name], body);
    if (method === "PUT") {
      const change = JSON.parse(body.toString()) as {
        RevisionId: string;
        Environment: { Variables: Record<string, string> };
      };
      if (!mayUpdate) return failure(403, "AccessDeniedException");
      if (change.RevisionId !== String(revision)) return failure(412, "PreconditionFailedException");
      revision += 1;
      for (const variable of Object.keys(environment)) Reflect.deleteProperty(environment, variable);
      Object.assign(environment, change.Environment.Variables);
    }
    return json(200, {
      FunctionName: name,
      RevisionId: String(revision),
      LastUpdateStatus: "Successful",
      Environment: { Variables: environment },
    });
  }

  const server = await listen({
    port: 0,
    what: "the Lambda API",
    maxBodyBytes: 1024 * 1024,
    serve: (request) => ({ fault: undefined, answer: () => answer(request) }),
  });
  return { ...server, environment };
}

async function invoke(handler: Handler | undefined, body: Buffer): Promise<Answer> {
  try {
    return json(200, await handler?.(JSON.parse(body.toString())));
  } catch (error) {
    const errorMessage = error instanceof Error ? error.message : String(error);
    return { ...json(200, { errorMessage }), headers: { "X-Amz-Function-Error": "Unhandled" } };
  }
}

function failure(status: number, type: string): Answer {
  return { ...json(status, { Message: type }), headers: { "x-amzn-ErrorType": type } };
}

function json(status: number, body: unknown): Answer {
  return { status, body: JSON.stringify(body ?? null) };
}
