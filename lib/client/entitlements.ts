import type { EntitlementsResponse } from "../http/wire.ts";
import { connect } from "./connection.ts";
import { parseVendorOptions, type VendorOptions } from "./options.ts";
import { requestEntitlements } from "./requests.ts";
import { orAborted } from "../voximplant/or-aborted.ts";

export interface Entitlements {
  /** The caller's canonical ARN, as grants name it. */
  readonly principal: string;
  readonly serviceAccounts: readonly {
    readonly name: string;
    /** The longest lifetime of a token. Absent if your grants allow only calls of methods. */
    readonly maxTtlSeconds?: number;
    readonly childAccountIds: readonly number[];
    /** Patterns of the methods that the vendor calls for you. */
    readonly methods: readonly string[];
  }[];
}

/**
 * Fetches the caller's identity as the vendor sees it, and what the caller may request.
 *
 * @throws TokenError
 */
export async function fetchEntitlements(
  options: VendorOptions & { signal?: AbortSignal },
): Promise<Entitlements> {
  const send = connect(parseVendorOptions(options));
  return entitlements(await orAborted(requestEntitlements(send), options.signal));
}

function entitlements({ principal, service_accounts }: EntitlementsResponse): Entitlements {
  return {
    principal,
    serviceAccounts: service_accounts.map(
      ({ name, tokens, max_ttl_seconds, child_account_ids, methods }) => ({
        name,
        ...(tokens && max_ttl_seconds !== undefined && { maxTtlSeconds: max_ttl_seconds }),
        childAccountIds: child_account_ids,
        methods: methods ?? [],
      }),
    ),
  };
}
