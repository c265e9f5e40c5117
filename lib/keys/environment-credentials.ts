import { fromEnv } from "@aws-sdk/credential-provider-env";

/**
 * Stands in for `@aws-sdk/credential-provider-node` in the functions' bundles: Lambda gives credentials by environment
 * variables and by nothing else, and the SDK's search through files, SSO and instance metadata is a third of a bundle.
 */
export const defaultProvider = fromEnv;
