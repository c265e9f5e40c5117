import type { ErrorCode } from "../../lib/http/wire.ts";

const faultText = "The service failed; the request id finds the reason in its log.";

/**
 * The deployed gateway responses. They are repeated here on purpose:
 * test/local/gateway/refusal.test.ts compares them with infra/gateway-responses.ts.
 */
const responses = {
  ACCESS_DENIED: { error: "not_authorized", status: 403 },
  INVALID_SIGNATURE: { error: "not_authorized", status: 403 },
  MISSING_AUTHENTICATION_TOKEN: { error: "not_authorized", status: 403 },
  REQUEST_TOO_LARGE: { error: "invalid_request", status: 400 },
  INTEGRATION_FAILURE: { error: "internal_error", status: 500, description: faultText },
  INTEGRATION_TIMEOUT: { error: "internal_error", status: 500, description: faultText },
} satisfies Record<string, GatewayResponse>;

/** Used if the API calls methods, because a method may take effect after the time-out. */
const whereMethodsAreCalled: Partial<Record<keyof typeof responses, GatewayResponse>> = {
  INTEGRATION_TIMEOUT: {
    error: "platform_timeout",
    status: 504,
    description:
      "There was no answer in time. Whether the method took effect is not known: check before you call again.",
  },
};

interface GatewayResponse {
  readonly error: ErrorCode;
  readonly status: number;
  /** Instead of AWS's own text. */
  readonly description?: string;
}

/** A request that API Gateway answers itself. */
export interface Refusal {
  /** API Gateway's type of gateway response, which determines the status and the body. */
  readonly response: keyof typeof responses;
  /** AWS's name of the error: the header `x-amzn-ErrorType`. */
  readonly type: string;
  /** AWS's own text. */
  readonly message: string;
}

export function forbidden(type: string, message: string): Refusal {
  return { response: "INVALID_SIGNATURE", type, message };
}

/**
 * The caller's IAM policy does not allow the resource. API Gateway hides the account except for its
 * last four digits. The message ends with the reason that every AWS service gives.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
 * https://github.com/amazon-archives/aws-serverless-auth-reference-app (the hidden account)
 *
 * @param resource an ARN with its account hidden.
 */
export function accessDenied(userArn: string, resource: string): Refusal {
  return {
    response: "ACCESS_DENIED",
    type: "AccessDeniedException",
    message:
      `User: ${userArn} is not authorized to perform: execute-api:Invoke on resource: ${resource} ` +
      "because no identity-based policy allows the execute-api:Invoke action",
  };
}

/**
 * The gateway response that answers a refusal.
 *
 * @param callsMethods whether the API has the route that calls methods.
 */
export function responseTo({ response }: Refusal, callsMethods: boolean): GatewayResponse {
  return (callsMethods ? whereMethodsAreCalled[response] : undefined) ?? responses[response];
}

/** The answer to a request without a signature, and, as on AWS, to an unknown path or method. */
export const missingToken: Refusal = {
  response: "MISSING_AUTHENTICATION_TOKEN",
  type: "MissingAuthenticationTokenException",
  message: "Missing Authentication Token",
};

export const unknownClient = forbidden(
  "UnrecognizedClientException",
  "The security token included in the request is invalid.",
);

export const requestTooLong: Refusal = {
  response: "REQUEST_TOO_LARGE",
  type: "RequestTooLargeException",
  message: "HTTP content length exceeded 10485760 bytes.",
};

/** The function threw, or its result is malformed. */
export const integrationFailure: Refusal = {
  response: "INTEGRATION_FAILURE",
  type: "InternalServerErrorException",
  message: "Internal server error",
};

export const integrationTimeout: Refusal = {
  response: "INTEGRATION_TIMEOUT",
  type: "InternalServerErrorException",
  message: "Endpoint request timed out",
};
