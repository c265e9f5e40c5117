import { countingFaults, type FaultInjector } from "../fault.ts";
import { type Answer, headerOf, type RawRequest, type Serve } from "../exchange.ts";
import { errorBody, PlatformError, refusal } from "./error.ts";
import { fetchFor } from "./fetch.ts";
import { makeRsaKey, methods, type Parameters } from "./methods.ts";
import { methodOf, readParameters } from "./request.ts";
import {
  type Account,
  addKey,
  type CreationLag,
  type DeletionLag,
  findSigner,
  type Key,
  type NewKey,
  type Platform,
  type Rule,
} from "./platform.ts";
import { allowedMethods } from "./roles.ts";
import { type TokenClaims, verifyToken } from "./token.ts";

export interface ManagementApiOptions {
  readonly now?: () => Date;
  readonly accounts: readonly (Pick<Account, "accountId"> & Partial<Account>)[];
  readonly keys?: readonly NewKey[];
  readonly rules?: readonly Rule[];
  /** Keys per account. One more is error 437. The platform's own limit is not known. */
  readonly keyLimit?: number;
  /** CreateKey's result: the documentation shows an object, official clients an array. */
  readonly createKeyShape?: "object" | "array";
  /** Generates the private keys for `CreateKey`. Default: a new RSA-2048 key. */
  readonly makePrivateKey?: () => Promise<string>;
  /**
   * HTTP status of an error, for all methods or by method: the platform's own is not known. Default
   * 200.
   */
  readonly errorStatus?: number | Readonly<Record<string, number>>;
  readonly lag?: CreationLag;
  readonly deletionLag?: DeletionLag;
  /**
   * How far a client's clock may be ahead. The platform's own tolerance is not known. Default 1.
   */
  readonly skewSeconds?: number;
  readonly fault?: FaultInjector;
}

/** The stand-in without HTTP. */
export interface InProcessManagementApi {
  /** Any address: {@link fetch} uses only the path. */
  readonly apiUrl: string;
  /**
   * Calls the stand-in in this process. It rejects as `fetch` does if an injected fault breaks the
   * connection.
   */
  readonly fetch: typeof fetch;
  /** For a server: see `listen`. */
  readonly serve: Serve;
  readonly keys: Map<string, Key>;
  readonly rules: Map<number, Rule>;
  readonly calls: readonly ManagementApiCall[];
  /** Adds a key that the product did not create. */
  addKey(key: NewKey): Key;
}

interface ManagementApiCall {
  readonly method: string;
  readonly parameters: Parameters;
  /** How the caller authenticated. Absent if it did not. */
  readonly by?: "token" | "api_key";
  /** The claims of an accepted token. */
  readonly token?: TokenClaims;
  readonly error?: { readonly code: number; readonly message: string };
}

/**
 * A stand-in for Voximplant's Management API: it verifies tokens as the platform documents, and
 * keeps keys, roles and rules in memory. Where the platform's behaviour is not known, an option
 * selects it. {@link startManagementApi} serves it over HTTP.
 */
export function createManagementApi(options: ManagementApiOptions): InProcessManagementApi {
  const now = options.now ?? (() => new Date());
  const platform: Platform = {
    accounts: new Map(
      options.accounts.map((account) => [
        account.accountId,
        { email: `account-${account.accountId}@example.com`, childAccountIds: [], ...account },
      ]),
    ),
    keys: new Map(),
    deleted: new Map(),
    lag: options.lag ?? {},
    deletionLag: options.deletionLag ?? {},
    now,
    rules: new Map((options.rules ?? []).map((rule) => [rule.ruleId, rule])),
    keyLimit: options.keyLimit ?? 10,
    createKeyShape: options.createKeyShape ?? "object",
    makePrivateKey: options.makePrivateKey ?? makeRsaKey,
  };
  for (const key of options.keys ?? []) addKey(platform, key);
  const calls: ManagementApiCall[] = [];
  const faultOf = countingFaults(options.fault);

  const carryOut = async (method: string, parameters: Parameters, request: RawRequest): Promise<Answer> => {
    const call: ManagementApiCall = { method, parameters };
    calls.push(call);
    try {
      const caller = authenticate(platform, request, parameters, {
        nowSeconds: now().getTime() / 1000,
        skewSeconds: options.skewSeconds ?? 1,
      });
      Object.assign(
        call,
        caller.claims === undefined ? { by: "api_key" } : { by: "token", token: caller.claims },
      );
      const run = Object.hasOwn(methods, method) ? methods[method] : undefined;
      if (run === undefined) throw refusal(104, `the stand-in does not know the method ${method}`);
      if (caller.key !== undefined && !allowedMethods(caller.key.roleIds).includes(method)) {
        throw refusal(100, `the key has no role for ${method}`);
      }
      const { account, key } = caller;
      const apiAddress = headerOf(request, "host") ?? "";
      return json(200, JSON.stringify(await run({ platform, account, key, parameters, apiAddress })));
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      Object.assign(call, { error: { code: error.code, message: error.message } });
      const status =
        typeof options.errorStatus === "object" ? options.errorStatus[method] : options.errorStatus;
      return json(status ?? 200, errorBody(error));
    }
  };

  const serve: Serve = async (request) => {
    const parameters = await readParameters(request);
    const method = methodOf(request, parameters);
    return { fault: faultOf(method), answer: () => carryOut(method, parameters, request) };
  };
  return {
    apiUrl: "https://management-api.test/platform_api",
    fetch: fetchFor(serve),
    serve,
    keys: platform.keys,
    rules: platform.rules,
    calls,
    addKey: (key) => addKey(platform, key),
  };
}

interface Caller {
  readonly account: Account;
  readonly key?: Key;
  readonly claims?: TokenClaims;
}

function authenticate(
  platform: Platform,
  request: RawRequest,
  parameters: Parameters,
  clock: { readonly nowSeconds: number; readonly skewSeconds: number },
): Caller {
  const bearer = /^Bearer (.+)$/i.exec(headerOf(request, "authorization") ?? "")?.[1];
  if (bearer === undefined) {
    const account = platform.accounts.get(Number(parameters.get("account_id")));
    const apiKey = parameters.get("api_key");
    if (account?.apiKey === undefined || apiKey !== account.apiKey) {
      throw refusal(100, "neither a token nor an API key of the account");
    }
    return { account };
  }
  const verification = verifyToken(bearer, {
    ...clock,
    findKey: (kid) => {
      const key = findSigner(platform, kid);
      if (key === undefined) return undefined;
      const children = platform.accounts.get(key.accountId)?.childAccountIds ?? [];
      return { publicKey: key.publicKey, accountIds: [key.accountId, ...children] };
    },
  });
  if (!verification.accepted) throw refusal(verification.code, verification.detail);
  const { claims } = verification;
  const account = platform.accounts.get(claims.iss);
  const key = findSigner(platform, claims.kid);
  if (account === undefined || key === undefined) throw refusal(100, "the account is unknown");
  return { account, key, claims };
}

function json(status: number, body: string): Answer {
  return { status, headers: { "Content-Type": "application/json; charset=utf-8" }, body };
}
