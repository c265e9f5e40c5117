/** API Gateway answers a request itself. */
export interface Refusal {
  /** The gateway response (infra/gateway-responses.ts) that says how. */
  readonly response: string;
  /** AWS's name of the error: the header `x-amzn-ErrorType`. */
  readonly type: string;
  /** AWS's own text. */
  readonly message: string;
}

export function forbidden(type: string, message: string): Refusal {
  return { response: "INVALID_SIGNATURE", type, message };
}

/** No signature; and, as AWS has it, also a path or method that the API does not have. */
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

/** The function threw, or returned what is no answer. */
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
