import type { TokenError } from "./errors.ts";

/** What a program may want to log or count. No field holds a token or a credential. */
export type ClientEvent =
  | {
      readonly type: "attempt_failed";
      /** The origin that was asked. */
      readonly origin: string;
      readonly error: TokenError;
      /** The pause before the next attempt; undefined when there is none. */
      readonly retryInMs: number | undefined;
    }
  | {
      readonly type: "clock_corrected";
      /** How far the server's clock is ahead of this machine's, in milliseconds. */
      readonly skewMs: number;
    }
  | { readonly type: "credentials_renewed" }
  | { readonly type: "token_vended"; readonly serviceAccount: string; readonly expiresAt: Date }
  | {
      readonly type: "refresh_failed";
      readonly serviceAccount: string;
      readonly error: TokenError;
      /** The token at hand is served until then. */
      readonly validUntil: Date;
    };
