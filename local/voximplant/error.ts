import type { Fault } from "../fault.ts";

/**
 * The codes that official clients know. The texts are our own, because the platform's are not
 * documented.
 */
const messages = {
  100: "Authorization failed",
  104: "Forbidden command",
  340: "Rate limit exceeded",
  433: "The key id is invalid",
  435: "The role set is invalid",
  437: "The maximum number of keys is exceeded",
  447: "The token's format is invalid",
  454: "The token's lifetime exceeds the maximum",
  455: "The token is issued in the future",
  456: "The token is expired",
  515: "The same operation was performed recently",
} as const;

export type PlatformCode = keyof typeof messages;

/** The platform's refusal: `{"error": {"code", "msg"}}`. */
export class PlatformError extends Error {
  override readonly name = "PlatformError";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export function refusal(code: PlatformCode, detail?: string): PlatformError {
  return new PlatformError(code, detail === undefined ? messages[code] : `${messages[code]}: ${detail}`);
}

/**
 * A parameter that is missing or wrong. The platform's code for it is not known; 0 is none of its
 * codes.
 */
export function badParameter(detail: string): PlatformError {
  return new PlatformError(0, detail);
}

export function errorBody({ code, message }: PlatformError): string {
  return JSON.stringify({ error: { code, msg: message } });
}

/** For a fault injector: the platform answers with this error instead of executing the call. */
export function platformFault(code: PlatformCode): Fault {
  return { status: 200, headers: { "Content-Type": "application/json" }, body: errorBody(refusal(code)) };
}
