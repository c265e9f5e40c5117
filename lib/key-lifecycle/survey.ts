import type { Log } from "../audit/log.ts";
import type { Policy } from "../grants/policy.ts";
import { type HeldSecret, readSecret } from "./held-secret.ts";
import { type JudgedKey, judgeKeys } from "./classify-keys.ts";
import type { OpenKey, AccountKey } from "./account-key.ts";
import { type SecretState, type SecretStore, versionWith } from "./secret-store.ts";
import type { Key } from "../voximplant/methods.ts";

export interface SurveyPorts {
  readonly store: SecretStore;
  readonly openKey: OpenKey;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** How long a superseded key is kept. */
  readonly graceMs: number;
}

/** The keys of one Voximplant account, and what manages them. */
export interface AccountSurvey {
  readonly accountId: number;
  readonly keys: readonly JudgedKey[];
  /** The service accounts whose current key is of this account; the first one's key listed the keys. */
  readonly members: readonly [Member, ...Member[]];
}

export interface Member {
  readonly serviceAccount: string;
  readonly key: AccountKey;
}

export interface Survey {
  readonly accounts: readonly AccountSurvey[];
  readonly secrets: readonly HeldSecret[];
  /** What could not be looked at, and why. While there is any, nothing unknown may be deleted: it could belong there. */
  readonly failures: readonly { readonly serviceAccount: string; readonly error: unknown }[];
}

/**
 * Compares the keys that the platform lists with what the secrets hold. Changes nothing.
 *
 * The secrets are read, to have a key to ask with; the keys are listed; the secrets are read again, and that is what
 * counts. So whatever rotation does meanwhile, a key on the list is found in a secret or under way to one.
 */
export async function survey(ports: SurveyPorts, policy: Policy): Promise<Survey> {
  const failures: { serviceAccount: string; error: unknown }[] = [];
  const candidates: Member[] = [];
  for (const { name: serviceAccount, secret } of policy.serviceAccounts) {
    try {
      const key = await openCurrent(ports, await ports.store.describe(secret));
      if (key === undefined) ports.log("info", `Secret ${secret} holds no key yet.`, { serviceAccount });
      else candidates.push({ serviceAccount, key });
    } catch (error) {
      failures.push({ serviceAccount, error });
    }
  }

  const listed = [];
  for (const accountId of new Set(candidates.map(({ key }) => key.accountId))) {
    const { list, refused } = await listKeys(candidates.filter(({ key }) => key.accountId === accountId));
    failures.push(...refused);
    if (list !== undefined) listed.push({ accountId, ...list });
  }

  const secrets: HeldSecret[] = [];
  for (const serviceAccount of policy.serviceAccounts) {
    try {
      secrets.push(await readSecret(ports.store, serviceAccount));
    } catch (error) {
      if (failures.every((failure) => failure.serviceAccount !== serviceAccount.name))
        failures.push({ serviceAccount: serviceAccount.name, error });
    }
  }

  const judge = (keys: readonly Key[]) => judgeKeys(keys, secrets, policy.serviceAccounts, ports.graceMs);
  const accounts = listed.map(({ keys, ...account }) => ({ ...account, keys: judge(keys) }));
  return { accounts, secrets, failures };
}

/** The key that is current; `undefined` before the first import. */
export async function openCurrent(
  { store, openKey }: Pick<SurveyPorts, "store" | "openKey">,
  state: SecretState,
) {
  const version = versionWith("AWSCURRENT", state);
  const value = version === undefined ? undefined : await store.readVersion(state.arn, version);
  return value === undefined ? undefined : openKey(value);
}

/** By the first key that the platform accepts: a refused one is a finding about its own service account. */
async function listKeys(candidates: readonly Member[]) {
  const refused: { serviceAccount: string; error: unknown }[] = [];
  for (const [index, member] of candidates.entries()) {
    try {
      const keys = await member.key.api.getKeys();
      const members: [Member, ...Member[]] = [member, ...candidates.slice(index + 1)];
      return { list: { keys, members }, refused };
    } catch (error) {
      refused.push({ serviceAccount: member.serviceAccount, error });
    }
  }
  return { list: undefined, refused };
}
