import { quotable } from "./quotable.ts";

/**
 * Error codes of the Management API, from the official clients (`apiclient-nodejs`,
 * `apiclient-python`). Any other code is a {@link VoximplantError} too, with its number and no
 * name.
 */
export const errorCodes = {
  authorizationFailed: 100,
  forbidden: 104,
  rateLimited: 340,
  invalidKeyId: 433,
  invalidRoleSet: 435,
  tooManyKeys: 437,
  invalidToken: 447,
  tokenTtlTooLong: 454,
  tokenFromTheFuture: 455,
  tokenExpired: 456,
  sameOperationRecently: 515,
} as const;

export type ErrorCodeName = keyof typeof errorCodes;

const remedies: Record<ErrorCodeName, string> = {
  authorizationFailed:
    "The key is unknown to the account, or lacks the role that this method needs, or this machine's clock is wrong.",
  forbidden: "Give the service account a role that allows this method; `GetRoles` lists them.",
  rateLimited: "Call less often; try again in a few seconds.",
  invalidKeyId: "The key never existed or was deleted: see `voxtoken admin keys`.",
  invalidRoleSet:
    "The key is not allowed to give these roles: set them in the control panel, under Service accounts.",
  tooManyKeys:
    "The account has the maximum number of keys. Delete unused ones; `voxtoken admin keys` lists them.",
  invalidToken: "The platform cannot read the token. Check its `iss` and `kid`.",
  tokenTtlTooLong: "`exp` may be at most 3600 seconds after `iat`.",
  tokenFromTheFuture: "The clock of the machine that minted the token is ahead. Set it.",
  tokenExpired: "Get a new token. If the token was new, the clock of the machine that minted it is behind.",
  sameOperationRecently: "The same operation was done a moment ago; try again in a few seconds.",
};

const nameOf = new Map<number, ErrorCodeName>(
  Object.entries(errorCodes).map(([name, code]) => [code, name as ErrorCodeName]),
);

/** The platform refused: `{"error": {"code", "msg"}}`. The message holds no token and no key. */
export class VoximplantError extends Error {
  override readonly name = "VoximplantError";
  readonly method: string;
  readonly code: number;
  /** The name of the code, if it is known. */
  readonly codeName: ErrorCodeName | undefined;

  constructor(method: string, code: number, msg: string) {
    const codeName = nameOf.get(code);
    const remedy = codeName === undefined ? "" : ` ${remedies[codeName]}`;
    const text = quotable(msg).replace(/[.\s]*$/, ".");
    super(`Voximplant refused ${method} (error ${code}): ${text}${remedy}`);
    this.method = method;
    this.code = code;
    this.codeName = codeName;
  }
}

/**
 * No answer, or an unreadable one. The method may have taken effect, except if {@link wasNotSent}.
 */
export class VoximplantUnavailableError extends Error {
  override readonly name = "VoximplantUnavailableError";
  readonly method: string;

  constructor(method: string, detail: string, options?: ErrorOptions) {
    super(`Voximplant gave no usable answer to ${method}: ${detail}`, options);
    this.method = method;
  }
}

/** The method answered with a file, such as a report or a recording. It took effect. */
export class VoximplantFileError extends Error {
  override readonly name = "VoximplantFileError";
  readonly method: string;
  readonly contentType: string;
  /** The file, if it is text. Not enumerable, so that no log shows it by chance. */
  declare readonly text: string;

  constructor(method: string, contentType: string, text: string) {
    super(`${method} answered with ${contentType}, not with JSON. It took effect.`);
    this.method = method;
    this.contentType = contentType;
    Object.defineProperty(this, "text", { value: text });
  }
}

/** The fields that an error from any realm or library may have. */
interface ErrorLike {
  readonly message?: unknown;
  readonly code?: unknown;
  /** The system call that failed: https://nodejs.org/api/errors.html#errorsyscall */
  readonly syscall?: unknown;
  readonly cause?: ErrorLike | null;
  readonly errors?: readonly ErrorLike[];
}

/** More causes than any library nests. The limit ends a loop of causes. */
const MAX_CAUSES = 10;

/** The errors at the root. An AggregateError has one for each address that was tried. */
function rootErrors(error: unknown): readonly ErrorLike[] {
  let root = Object(error) as ErrorLike;
  for (let depth = 0; depth < MAX_CAUSES && typeof root.cause === "object" && root.cause !== null; depth += 1)
    root = root.cause;
  return root.errors?.length ? root.errors : [root];
}

/**
 * Why a request failed. The message of fetch is only "fetch failed": its cause says ECONNREFUSED,
 * ENOTFOUND, or what is wrong with a certificate.
 */
export function networkReason(error: unknown): string {
  const { message, code } = rootErrors(error)[0] ?? {};
  if (typeof message !== "string") return "unknown reason";
  return typeof code !== "string" || message.includes(code) ? message : `${message} (${code})`;
}

/**
 * The codes for a server's certificate that this side refuses, before anything is sent. An alert
 * from the server (`ERR_SSL_…`) is not among them: in TLS 1.3 it may arrive after the request.
 * https://nodejs.org/api/tls.html#x509-certificate-error-codes
 */
const CERTIFICATE_REFUSED =
  /^(CERT_\w+|UNABLE_TO_\w+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|ERR_TLS_CERT_ALTNAME_INVALID)$/;

/**
 * Whether a request failed before it was sent: while looking up the host, while connecting, or
 * because of the server's certificate. False if that is not certain. The code of an error does not
 * suffice: EHOSTUNREACH and ETIMEDOUT can also end an open connection.
 */
export function wasNotSent(error: unknown): boolean {
  return rootErrors(error).every(
    ({ code, syscall }) =>
      syscall === "connect" ||
      syscall === "getaddrinfo" ||
      code === "UND_ERR_CONNECT_TIMEOUT" ||
      (typeof code === "string" && CERTIFICATE_REFUSED.test(code)),
  );
}

/** Whether `error` is a refusal of the platform with one of these names. */
export function isRefusal(error: unknown, ...names: readonly ErrorCodeName[]): error is VoximplantError {
  return error instanceof VoximplantError && error.codeName !== undefined && names.includes(error.codeName);
}

/**
 * Whether a new token may help: the token has expired, its key was rotated or deleted, or the
 * platform gives no exact reason.
 */
export function isTokenRefusal(code: unknown): boolean {
  const { tokenExpired, invalidToken, invalidKeyId, authorizationFailed } = errorCodes;
  const codes: readonly unknown[] = [tokenExpired, invalidToken, invalidKeyId, authorizationFailed];
  return codes.includes(code);
}

/** The error code in an answer's JSON: `{"error": {"code"}}`, or `{"errors": [{"code"}]}`. */
export function errorCodeIn(body: unknown): unknown {
  const { error, errors } = Object(body) as {
    error?: { code?: unknown } | null;
    errors?: { code?: unknown }[];
  };
  return error?.code ?? errors?.[0]?.code;
}
