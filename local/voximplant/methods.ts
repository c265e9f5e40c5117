import { generateKeyPair, randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { badParameter, refusal } from "./error.ts";
import { type Account, addKey, deleteKey, findById, type Key, listKeys, type Platform } from "./platform.ts";
import { allowedMethods, expandRoles, type Role, roles } from "./roles.ts";

export type Parameters = ReadonlyMap<string, string>;

interface MethodCall {
  readonly platform: Platform;
  /** The account that the call is about: the token's `iss`. */
  readonly account: Account;
  /** Undefined if the deprecated API key was used. */
  readonly key: Key | undefined;
  readonly parameters: Parameters;
  /** `host:port` of the stand-in. */
  readonly apiAddress: string;
}

type Method = (call: MethodCall) => object | Promise<object>;

/**
 * The methods of the Management API that the product itself calls; two that callers use in the
 * tests (StartScenarios, GetCallHistory); and three that exist only here, to test how a slow, a
 * large and a missing answer are handled: `LocalSlow` answers after `seconds`, `LocalLarge` with
 * `mebibytes`, `LocalHang` never.
 */
export const methods: Readonly<Record<string, Method>> = {
  GetAccountInfo: ({ account, key, apiAddress }) => ({
    result: {
      account_id: account.accountId,
      account_name: account.email.split("@")[0],
      account_email: account.email,
      active: true,
      access_entries: key === undefined ? Object.keys(methods).sort() : allowedMethods(key.roleIds),
    },
    api_address: apiAddress,
  }),

  CreateKey: async ({ platform, account, parameters }) => {
    const name = keyName(parameters);
    const roleIds = new Set(namedRoles(parameters).map((role) => role.id));
    const refuseIfFull = () => {
      const own = [...platform.keys.values()].filter((key) => key.accountId === account.accountId);
      if (own.length >= platform.keyLimit) throw refusal(437);
    };
    refuseIfFull();
    const privateKey = await platform.makePrivateKey();
    // Another call may have created a key meanwhile.
    refuseIfFull();
    const key = addKey(platform, {
      accountId: account.accountId,
      keyId: randomUUID(),
      pem: privateKey,
      name: name ?? "",
      description: parameters.get("description") ?? "",
      createdAt: platform.now().getTime(),
    });
    key.roleIds = roleIds;
    const credentials = {
      account_email: account.email,
      account_id: account.accountId,
      key_id: key.keyId,
      private_key: privateKey,
    };
    return { result: platform.createKeyShape === "array" ? [credentials] : credentials };
  },

  GetKeys: ({ platform, account, parameters }) => {
    const keyId = parameters.get("key_id");
    const withRoles = parameters.get("with_roles") === "true";
    const found = listKeys(platform).filter(
      (key) => key.accountId === account.accountId && (keyId === undefined || key.keyId === keyId),
    );
    return page(found, parameters, (key) => ({
      key_id: key.keyId,
      key_name: key.name,
      description: key.description,
      ...(withRoles && { roles: expandRoles(key.roleIds).map(({ role }) => roleView(role)) }),
    }));
  },

  UpdateKey: (call) => {
    const key = namedKey(call);
    key.description = required(call.parameters, "description");
    key.name = keyName(call.parameters) ?? key.name;
    return { result: 1 };
  },

  DeleteKey: (call) => {
    deleteKey(call.platform, namedKey(call));
    return { result: 1 };
  },

  // Inherited roles are listed too. Only the expanded view marks them.
  GetKeyRoles: (call) => {
    const expanded = call.parameters.get("with_expanded_roles") === "true";
    return {
      result: expandRoles(namedKey(call).roleIds).map(({ role, inherited }) => ({
        ...roleView(role),
        ...(expanded && { inherited, ...family(role) }),
      })),
    };
  },

  SetKeyRoles: (call) => {
    const key = namedKey(call);
    key.roleIds = new Set(someRoles(call.parameters).map((role) => role.id));
    return { result: 1 };
  },

  RemoveKeyRoles: (call) => {
    const key = namedKey(call);
    for (const role of someRoles(call.parameters)) key.roleIds.delete(role.id);
    return { result: 1 };
  },

  GetRoles: () => ({ result: roles.map((role) => ({ ...roleView(role), ...family(role) })) }),

  GetApplications: ({ platform, account, parameters }) => {
    const own = [...platform.rules.values()].filter((rule) => rule.accountId === account.accountId);
    const ids = [...new Set(own.map(({ applicationId }) => applicationId))];
    return page(ids, parameters, (id) => ({ application_id: id, application_name: `application-${id}` }));
  },

  GetRules: ({ platform, account, parameters }) => {
    const applicationId = Number(required(parameters, "application_id"));
    const keyId = parameters.get("attached_key_id");
    const found = [...platform.rules.values()].filter(
      (rule) =>
        rule.accountId === account.accountId &&
        rule.applicationId === applicationId &&
        (keyId === undefined || rule.bindKeyId === keyId),
    );
    return page(found, parameters, (rule) => ({
      rule_id: rule.ruleId,
      application_id: rule.applicationId,
      rule_name: rule.name,
      rule_pattern: rule.pattern,
      bind_key_id: rule.bindKeyId,
    }));
  },

  SetRuleInfo: (call) => {
    const rule = call.platform.rules.get(Number(required(call.parameters, "rule_id")));
    if (rule?.accountId !== call.account.accountId) throw badParameter("rule_id is unknown");
    const bindKeyId = call.parameters.get("bind_key_id");
    if (bindKeyId !== undefined) rule.bindKeyId = findKey(call, bindKeyId).keyId;
    rule.name = call.parameters.get("rule_name") ?? rule.name;
    rule.pattern = call.parameters.get("rule_pattern") ?? rule.pattern;
    return { result: 1 };
  },

  StartScenarios: () => ({ result: 1, call_session_history_id: 1 }),

  GetCallHistory: () => ({ result: [], total_count: 0, count: 0, timezone: "Etc/GMT" }),

  LocalSlow: async ({ parameters }) => {
    await setTimeout(Number(parameters.get("seconds") ?? 3) * 1000);
    return { result: 1 };
  },

  LocalLarge: ({ parameters }) => ({
    result: "x".repeat(Number(parameters.get("mebibytes") ?? 6) * 1024 * 1024),
  }),

  LocalHang: () => new Promise<never>(() => undefined),
};

export async function makeRsaKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  return privateKey;
}

function namedKey(call: MethodCall): Key {
  return findKey(call, required(call.parameters, "key_id"));
}

function findKey({ platform, account }: MethodCall, keyId: string): Key {
  const key = findById(platform, keyId);
  if (key?.accountId !== account.accountId) throw refusal(433);
  return key;
}

function required(parameters: Parameters, name: string): string {
  const value = parameters.get(name);
  if (value === undefined || value === "") throw badParameter(`${name} is missing`);
  return value;
}

function keyName(parameters: Parameters): string | undefined {
  const name = parameters.get("key_name");
  if (name === "") throw badParameter("key_name is empty");
  if (name !== undefined && name.length > 50) throw badParameter("key_name is longer than 50 characters");
  return name;
}

/** `role_id` or `role_name`: a list with semicolons between. */
function namedRoles(parameters: Parameters): Role[] {
  const ids = parameters.get("role_id");
  const names = parameters.get("role_name");
  if (ids !== undefined && names !== undefined)
    throw refusal(435, "role_id and role_name exclude each other");
  const wanted = (ids ?? names ?? "").split(";").filter((item) => item !== "");
  return wanted.map((item) => {
    const role = roles.find((candidate) =>
      ids === undefined ? candidate.name === item : String(candidate.id) === item,
    );
    if (role === undefined) throw refusal(435, `there is no role ${item}`);
    return role;
  });
}

function someRoles(parameters: Parameters): Role[] {
  const found = namedRoles(parameters);
  if (found.length === 0) throw refusal(435, "role_id or role_name is missing");
  return found;
}

function roleView(role: Role) {
  return { role_id: role.id, role_name: role.name, gui_only: role.guiOnly };
}

function family(role: Role) {
  return {
    child_ids: role.includes,
    parent_role_id: roles.filter(({ includes }) => includes.includes(role.id)).map(({ id }) => id),
  };
}

/** Returns 20 records by default, so a client that does not page sees only a part. */
function page<T>(all: readonly T[], parameters: Parameters, view: (item: T) => object): object {
  const offset = Number(parameters.get("offset") ?? 0);
  const result = all.slice(offset, offset + Number(parameters.get("count") ?? 20)).map(view);
  return { result, count: result.length, total_count: all.length };
}
