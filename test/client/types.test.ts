import type voximplant from "@voximplant/apiclient-nodejs";
import type { fromNodeProviderChain, fromTemporaryCredentials } from "@aws-sdk/credential-providers";
import { describe, expectTypeOf, it } from "vitest";
import {
  callApi,
  createTokenProvider,
  createVoximplantFetch,
  type CredentialProvider,
  fetchEntitlements,
  type TokenError,
  type TokenErrorCode,
  type TokenProvider,
  type TokenProviderOptions,
  useVendedTokens,
  type VendedToken,
} from "../../lib/client/index.ts";
import type { ErrorCode } from "../../lib/http/wire.ts";

// Checked by tsc; nothing here runs at test time but the declarations' names.
type OfficialClient = InstanceType<typeof voximplant.default>;

describe("the types of the client", () => {
  it("require a url and a service account, and nothing else", () => {
    expectTypeOf<{ url: string; serviceAccount: string }>().toExtend<TokenProviderOptions>();
    expectTypeOf<{ url: string }>().not.toExtend<TokenProviderOptions>();
    expectTypeOf<{ serviceAccount: string }>().not.toExtend<TokenProviderOptions>();
    expectTypeOf<TokenProviderOptions["url"]>().toEqualTypeOf<string | readonly string[]>();
  });

  it("accept any credential provider of the AWS SDK", () => {
    expectTypeOf<ReturnType<typeof fromNodeProviderChain>>().toExtend<CredentialProvider>();
    expectTypeOf<ReturnType<typeof fromTemporaryCredentials>>().toExtend<CredentialProvider>();
  });

  it("declare expiresAt as a Date", () => {
    expectTypeOf(createTokenProvider).returns.toEqualTypeOf<TokenProvider>();
    expectTypeOf<TokenProvider>().returns.resolves.toEqualTypeOf<VendedToken>();
    expectTypeOf<TokenProvider>().toBeCallableWith();
    expectTypeOf<TokenProvider>().toBeCallableWith({ signal: AbortSignal.timeout(1) });
    expectTypeOf<VendedToken["expiresAt"]>().toEqualTypeOf<Date>();
    expectTypeOf<VendedToken["accountId"]>().toEqualTypeOf<number>();
  });

  it("have every code of the wire contract as a code of TokenError", () => {
    expectTypeOf<ErrorCode>().toExtend<TokenErrorCode>();
    expectTypeOf<TokenError["code"]>().toEqualTypeOf<TokenErrorCode>();
    expectTypeOf<TokenError["status"]>().toEqualTypeOf<number | undefined>();
  });

  it("declare what the other functions return", () => {
    expectTypeOf(createVoximplantFetch).returns.toEqualTypeOf<typeof fetch>();
    expectTypeOf(useVendedTokens<OfficialClient>).returns.toEqualTypeOf<OfficialClient>();
    expectTypeOf(callApi).returns.resolves.toEqualTypeOf<Record<string, unknown>>();
    expectTypeOf(fetchEntitlements).returns.resolves.toHaveProperty("principal").toEqualTypeOf<string>();
  });
});
