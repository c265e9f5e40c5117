import { type ErrorCode, MAX_TTL_SECONDS, MIN_TTL_SECONDS } from "../lib/http/wire.ts";
import { ref, type Resources } from "./cloudformation.ts";
import type { Options } from "./options.ts";

/**
 * API Gateway's own answers in the shape of every other error of the API.
 *
 * Templates here are not Velocity: API Gateway only replaces `$context` variables.
 * `$context.error.messageString` is the message already quoted as JSON, so it stands without
 * quotation marks. `$context.error.validationErrorString` says more about an invalid body, but has
 * unescaped quotation marks, so the answer is our own sentence instead. An internal error gives no
 * detail: that is in the log.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
 */
interface GatewayResponse {
  readonly error: ErrorCode;
  readonly status?: number;
  /** JSON text. */
  readonly description: string;
}

const awsText = "$context.error.messageString";
const notAuthorized: GatewayResponse = { error: "not_authorized", status: 403, description: awsText };
const fault = (status?: number): GatewayResponse => ({
  error: "internal_error",
  ...(status !== undefined && { status }),
  description: JSON.stringify("The service failed; the request id finds the reason in its log."),
});

export const gatewayResponses: Readonly<Record<string, GatewayResponse>> = {
  // The refusals of IAM, the resource policy, the signature check and the clock check. An unknown
  // route too, which API Gateway reports as a missing token.
  ACCESS_DENIED: notAuthorized,
  EXPIRED_TOKEN: notAuthorized,
  INVALID_SIGNATURE: notAuthorized,
  MISSING_AUTHENTICATION_TOKEN: notAuthorized,
  UNAUTHORIZED: notAuthorized,
  INVALID_API_KEY: notAuthorized,
  WAF_FILTERED: notAuthorized,

  BAD_REQUEST_BODY: {
    error: "invalid_request",
    status: 400,
    description: JSON.stringify(
      "The body must be a JSON object with no fields but ttl_seconds (an integer, " +
        `${MIN_TTL_SECONDS} to ${MAX_TTL_SECONDS}) and account_id (an integer).`,
    ),
  },
  BAD_REQUEST_PARAMETERS: { error: "invalid_request", status: 400, description: awsText },
  REQUEST_TOO_LARGE: { error: "invalid_request", status: 400, description: awsText },
  UNSUPPORTED_MEDIA_TYPE: { error: "invalid_request", status: 400, description: awsText },
  RESOURCE_NOT_FOUND: { error: "not_found", status: 404, description: awsText },
  THROTTLED: { error: "throttled", status: 429, description: awsText },
  QUOTA_EXCEEDED: { error: "throttled", status: 429, description: awsText },

  API_CONFIGURATION_ERROR: fault(500),
  AUTHORIZER_CONFIGURATION_ERROR: fault(500),
  AUTHORIZER_FAILURE: fault(500),
  INTEGRATION_FAILURE: fault(500),
  INTEGRATION_TIMEOUT: fault(500),

  // For types that AWS adds later. A status here would replace the status of every type not listed
  // above.
  DEFAULT_4XX: { error: "invalid_request", description: awsText },
  DEFAULT_5XX: fault(),
};

/**
 * API Gateway waits for 29 s. Only call-method can take longer: vend-token is stopped before. The
 * call of the method goes on, so this answer is a 504, and its text says that the method may have
 * taken effect. A caller who gets a 500 could believe that nothing has happened, and repeat the
 * call. Every other fault of a function stays a 500.
 */
const whereMethodsAreCalled: typeof gatewayResponses = {
  INTEGRATION_TIMEOUT: {
    error: "platform_timeout",
    status: 504,
    description: JSON.stringify(
      "There was no answer in time. Whether the method took effect is not known: check before you call again.",
    ),
  },
};

function body({ error, description }: GatewayResponse): string {
  return `{"error": ${JSON.stringify(error)}, "error_description": ${description}, "request_id": "$context.requestId"}`;
}

export function gatewayResponseResources(restApi: string, { callsMethods }: Options): Resources {
  const responses = { ...gatewayResponses, ...(callsMethods && whereMethodsAreCalled) };
  return Object.fromEntries(
    Object.entries(responses).map(([type, response]) => [
      `GatewayResponse${type.replace(/[^A-Z0-9]/g, "")}`,
      {
        Type: "AWS::ApiGateway::GatewayResponse",
        Properties: {
          RestApiId: ref(restApi),
          ResponseType: type,
          ...(response.status !== undefined && { StatusCode: String(response.status) }),
          ResponseParameters: { "gatewayresponse.header.Cache-Control": "'no-store'" },
          ResponseTemplates: { "application/json": body(response) },
        },
      },
    ]),
  );
}
