/** The package `voxtoken`: calls Voximplant as an AWS IAM principal. See docs/clients.md. */
export { type ApiOptions, callApi, type CallOptions } from "./call-api.ts";
export type { CredentialProvider } from "./credentials.ts";
export { type Entitlements, fetchEntitlements } from "./entitlements.ts";
export { TokenError, type TokenErrorCode } from "./errors.ts";
export {
  createMethodCaller,
  type MethodCaller,
  type MethodCallerOptions,
  type MethodCallOptions,
} from "./method-caller.ts";
export type { MethodParameters } from "./requests.ts";
export { useVendedTokens, type VoximplantNodeClient } from "./node-client.ts";
export type { ClientEvent, VendorOptions } from "./options.ts";
export type { Runtime } from "./runtime.ts";
export type { AwsCredentials } from "./sign.ts";
export {
  createTokenProvider,
  type GetTokenOptions,
  type TokenProvider,
  type TokenProviderOptions,
  type VendedToken,
} from "./token-provider.ts";
export { createVoximplantFetch } from "./voximplant-fetch.ts";
export {
  type ErrorCodeName,
  errorCodes,
  isRefusal,
  VoximplantError,
  VoximplantFileError,
  VoximplantUnavailableError,
} from "../voximplant/errors.ts";
