import * as z from "zod/mini";
import { callMethod, type Authorization, type Parameters } from "./call.ts";
import type { Connection } from "./connection.ts";
import { isRefusal, VoximplantUnavailableError } from "./errors.ts";

/** How long a key's name may be: `key_name` of CreateKey and UpdateKey. */
export const MAX_KEY_NAME_LENGTH = 50;

const Account = z.looseObject({
  account_id: z.number(),
  account_email: z.optional(z.string()),
  /** Names of the methods that this key may call. */
  access_entries: z.optional(z.array(z.string())),
});

const Role = z.looseObject({
  role_id: z.number(),
  role_name: z.string(),
  /** Part of another role, so it cannot be set by itself. */
  inherited: z.optional(z.boolean()),
});

const Key = z.looseObject({
  key_id: z.string(),
  key_name: z._default(z.nullable(z.string()), null),
  description: z._default(z.nullable(z.string()), null),
  roles: z.optional(z.array(Role)),
});

const CreatedKey = z.looseObject({ account_id: z.number(), key_id: z.string(), private_key: z.string() });

const Application = z.looseObject({ application_id: z.number() });

const Rule = z.looseObject({
  rule_id: z.number(),
  rule_name: z._default(z.string(), ""),
  bind_key_id: z.optional(z.nullable(z.string())),
});

export type Account = z.infer<typeof Account>;
export type Role = z.infer<typeof Role>;
export type Key = z.infer<typeof Key>;
/** The credentials file as an object. The platform shows the private key in no other answer. */
export type CreatedKey = z.infer<typeof CreatedKey>;
type Rule = z.infer<typeof Rule>;

/** The methods of the Management API that this project calls. Fields have the platform's names. */
export interface ManagementApi {
  getAccountInfo(): Promise<Account>;
  /**
   * Creates a key, with the roles that are given. Not retried after a failure that may have created
   * the key: look for its name with {@link ManagementApi.getKeys} first.
   */
  createKey(key: { name: string; description: string; roleIds?: readonly number[] }): Promise<CreatedKey>;
  /** All keys of the account, from all pages, with their roles. */
  getKeys(): Promise<Key[]>;
  updateKey(keyId: string, change: { name: string; description: string }): Promise<void>;
  /**
   * `absent`: the key did not exist, for example because an earlier attempt deleted the key.
   *
   * @param options.attempts the maximum number of calls of DeleteKey. Must be 1 if the key must not
   *   be deleted while it is current: during the pause before a second call, a rollback may make it
   *   current.
   * @throws VoximplantError the platform refuses the call or the caller's own key
   */
  deleteKey(keyId: string, options?: { readonly attempts: number }): Promise<"deleted" | "absent">;
  getKeyRoles(keyId: string): Promise<Role[]>;
  setKeyRoles(keyId: string, roleIds: readonly number[]): Promise<void>;
  removeKeyRoles(keyId: string, roleIds: readonly number[]): Promise<void>;
  /** All roles, to look up their ids by name. */
  getRoles(): Promise<Role[]>;
  /**
   * The routing rules, of all applications, that are bound to the key.
   *
   * @param checkTime called before each request for rules. What it throws ends the search.
   */
  getRulesBoundTo(keyId: string, checkTime?: () => void): Promise<Rule[]>;
  bindRule(ruleId: number, keyId: string): Promise<void>;
}

/**
 * @param authorize called before each call, so that the token is always fresh
 * @see https://voximplant.com/docs/references/httpapi/rolesystem
 */
export function openManagementApi(
  connection: Connection,
  authorize: () => Promise<Authorization> | Authorization,
): ManagementApi {
  const call = async <T>(
    method: string,
    result: z.ZodMiniType<T>,
    parameters: Parameters = {},
    options: { readonly repeatable?: boolean; readonly attempts?: number } = {},
  ): Promise<T> => {
    const body = await callMethod(connection, await authorize(), method, parameters, {
      repeatable: true,
      ...options,
    });
    return read(method, result, body);
  };

  // Read until a page is empty or the total is reached: the platform may return smaller pages than
  // requested.
  const pages = async <T>(method: string, item: z.ZodMiniType<T>, parameters: Parameters): Promise<T[]> => {
    const all: T[] = [];
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const authorization = await authorize();
      const window = { ...parameters, count: PAGE_SIZE, offset: all.length };
      const body = await callMethod(connection, authorization, method, window, { repeatable: true });
      const items = read(method, z.array(item), body);
      all.push(...items);
      if (items.length === 0 || all.length === body["total_count"]) return all;
    }
    throw new VoximplantUnavailableError(method, `the list does not end after ${MAX_PAGES} pages`);
  };

  return {
    getAccountInfo: () => call("GetAccountInfo", Account),
    async createKey({ name, description, roleIds }) {
      const created = await call(
        "CreateKey",
        // The documentation shows an object; four official clients declare an array.
        z.union([CreatedKey, z.array(CreatedKey)]),
        { key_name: name, description, role_id: roleIds?.join(";") },
        { repeatable: false },
      );
      const [key] = [created].flat();
      if (key === undefined) throw new VoximplantUnavailableError("CreateKey", "the answer holds no key");
      return key;
    },
    getKeys: () => pages("GetKeys", Key, { with_roles: true }),
    async updateKey(keyId, { name, description }) {
      await call("UpdateKey", z.unknown(), { key_id: keyId, key_name: name, description });
    },
    async deleteKey(keyId, options) {
      try {
        await call("DeleteKey", z.unknown(), { key_id: keyId }, options);
        return "deleted";
      } catch (error) {
        if (!isRefusal(error, "invalidKeyId")) throw error;
        // The platform may mean the key that signed this call. Then the next call fails too.
        await call("GetAccountInfo", Account);
        return "absent";
      }
    },
    getKeyRoles: (keyId) => call("GetKeyRoles", z.array(Role), { key_id: keyId, with_expanded_roles: true }),
    async setKeyRoles(keyId, roleIds) {
      await call("SetKeyRoles", z.unknown(), { key_id: keyId, role_id: roleIds.join(";") });
    },
    async removeKeyRoles(keyId, roleIds) {
      await call("RemoveKeyRoles", z.unknown(), { key_id: keyId, role_id: roleIds.join(";") });
    },
    getRoles: () => call("GetRoles", z.array(Role)),
    async getRulesBoundTo(keyId, checkTime) {
      const applications = await pages("GetApplications", Application, {});
      const rules: Rule[] = [];
      for (let at = 0; at < applications.length; at += RULE_REQUESTS_AT_ONCE) {
        checkTime?.();
        const some = applications.slice(at, at + RULE_REQUESTS_AT_ONCE);
        // The platform must filter by key: in the official clients, a rule has no `bind_key_id`.
        const found = await Promise.all(
          some.map(({ application_id }) =>
            pages("GetRules", Rule, { application_id, attached_key_id: keyId }),
          ),
        );
        rules.push(...found.flat());
      }
      return rules.filter(({ bind_key_id }) => bind_key_id === keyId || bind_key_id === undefined);
    },
    async bindRule(ruleId, keyId) {
      await call("SetRuleInfo", z.unknown(), { rule_id: ruleId, bind_key_id: keyId });
    },
  };
}

const PAGE_SIZE = 100;
const MAX_PAGES = 200;

/**
 * GetRules takes one application, and an account may have hundreds. One request after another would
 * use up the time of a function.
 */
const RULE_REQUESTS_AT_ONCE = 5;

function read<T>(method: string, result: z.ZodMiniType<T>, body: Record<string, unknown>): T {
  const parsed = result.safeParse(body["result"]);
  if (parsed.success) return parsed.data;
  // Only the paths: a value may be a private key.
  const where = parsed.error.issues.map(({ path }) => ["result", ...path].join(".")).join(", ");
  throw new VoximplantUnavailableError(method, `the answer differs from the documentation at ${where}`);
}
