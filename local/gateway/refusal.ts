import type { ErrorCode } from "../../lib/http/wire.ts";

/** API Gateway answers a request itself. */
export interface Refusal {
  readonly status: number;
  readonly code: ErrorCode;
  /** AWS's name of the error: the header `x-amzn-ErrorType`. */
  readonly type: string;
  /** AWS's own text. */
  readonly message: string;
}

export function forbidden(type: string, message: string): Refusal {
  return { status: 403, code: "not_authorized", type, message };
}

/** No signature; and, as AWS has it, also a path or method that the API does not have. */
export const missingToken = forbidden("MissingAuthenticationTokenException", "Missing Authentication Token");

export const unknownClient = forbidden(
  "UnrecognizedClientException",
  "The security token included in the request is invalid.",
);

export const requestTooLong: Refusal = {
  status: 413,
  code: "invalid_request",
  type: "RequestTooLargeException",
  message: "HTTP content length exceeded 10485760 bytes.",
};

/** The function threw, or returned what is no answer. */
export const integrationFailure: Refusal = {
  status: 502,
  code: "internal_error",
  type: "InternalServerErrorException",
  message: "Internal server error",
};

export const integrationTimeout: Refusal = {
  status: 504,
  code: "internal_error",
  type: "InternalServerErrorException",
  message: "Endpoint request timed out",
};
