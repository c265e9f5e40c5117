/**
 * An error in Secrets Manager's form, with HTTP status 400: `{"__type": type, "Message": message}`.
 * The messages are AWS's own.
 */
export class SecretsManagerError extends Error {
  override readonly name = "SecretsManagerError";
  readonly type: string;

  constructor(type: string, message: string) {
    super(message);
    this.type = type;
  }
}

export const invalidRequest = (message: string) =>
  new SecretsManagerError("InvalidRequestException", message);
export const invalidParameter = (message: string) =>
  new SecretsManagerError("InvalidParameterException", message);
export const notFound = (what: string) =>
  new SecretsManagerError("ResourceNotFoundException", `Secrets Manager can't find the specified ${what}`);
