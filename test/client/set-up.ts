import { onTestFinished } from "vitest";
import type { ClientEvent } from "../../lib/client/options.ts";
import { createTokenProvider, TokenError, type TokenProviderOptions } from "../../lib/client/index.ts";
import { fakeClock } from "../fakes/clock.ts";
import { type Behaviour, startVendor } from "../fakes/vendor-server.ts";

export const credentials = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "secret-access-key",
  sessionToken: "session-token",
};

/** A vendor that behaves so, a client of it, and a clock that nobody waits for. */
export async function setUp(
  behaviours: readonly Behaviour[],
  { serverAheadMs = 0, ...options }: Partial<TokenProviderOptions> & { serverAheadMs?: number } = {},
) {
  const clock = fakeClock();
  const vendor = await startVendor(behaviours, () => clock.runtime.now() + serverAheadMs);
  onTestFinished(vendor.close);
  const events: ClientEvent[] = [];
  const getToken = createTokenProvider({
    url: vendor.url,
    serviceAccount: "outbound-calls",
    credentials,
    onEvent: (event) => events.push(event),
    ...options,
    runtime: { ...clock.runtime, ...options.runtime },
  });
  return { clock, vendor, events, getToken };
}

export async function failureOf(promise: Promise<unknown>): Promise<TokenError> {
  const outcome = await promise.then(
    () => new Error("It did not fail."),
    (error: unknown) => error,
  );
  if (outcome instanceof TokenError) return outcome;
  throw outcome;
}
