import type { Policy, ServiceAccount } from "../grants/policy.ts";
import type { AccountKey } from "../key-lifecycle/account-key.ts";
import { KeyLifecycleError, putAKeyIn } from "../key-lifecycle/key-lifecycle-error.ts";
import { moveRules } from "../key-lifecycle/retire-key.ts";
import type { SecretVersion } from "../key-lifecycle/secret-store.ts";
import { SETTLING_PAUSES_MS, STORE_PAUSES } from "../key-lifecycle/settle.ts";
import { dropPending } from "../key-lifecycle/store-current.ts";
import { parseCredentials } from "../keys/credentials-file.ts";
import { isRefusal } from "../voximplant/errors.ts";
import { messageOf } from "./finding.ts";
import { ReplacementDeletedError, replaceKey, type ReplacementPorts } from "./replace-key.ts";

export interface RevocationPorts extends ReplacementPorts {
  /** Has the containers of the vending function forget their keys, in every region; absent where there is no Lambda. */
  readonly forgetKeys?: ((replicaRegions: readonly string[]) => Promise<string>) | undefined;
}

export interface RevocationRequest {
  readonly serviceAccount: string;
  /** The leaked key. Named by the caller, so that a repeated request never revokes its own replacement. */
  readonly keyId: string;
  /** Seconds for the replacement. */
  readonly timeoutSeconds: number;
  /** Deletes the key before it is replaced: no token is vended until another key is put in. */
  readonly deleteFirst: boolean;
  /** A key that is deleted first, where the account holds as many as it may. */
  readonly makeRoom?: string | undefined;
}

/** What was done, in this order, and what was seen. */
export interface RevocationStep {
  readonly step: "make room" | "replace" | "delete" | "list" | "token" | "containers" | "rules" | "labels";
  readonly ok: boolean;
  /** For people: what the other side answered. */
  readonly seen: string;
}

export interface RevocationReport {
  readonly keyId: string;
  readonly steps: readonly RevocationStep[];
  /** The platform no longer lists the key, and refuses a token that was signed with it. */
  readonly proved: boolean;
  /** Service accounts that are left without a working key. */
  readonly withoutKey: readonly string[];
  /** What an operator has still to do, each a sentence. */
  readonly leftToDo: readonly string[];
}

/**
 * Takes a leaked key out of use: replaces it, then deletes it whatever came of that, then asks the platform for proof.
 *
 * The replacement is an attempt, bounded in time: a leaked key is worse than an outage. Success is positive evidence alone:
 * with another key, the platform lists its keys and this one is not among them; and a token signed with it is refused.
 * Every step says what was seen; none stops the next.
 */
export async function revokeKey(
  ports: RevocationPorts,
  policy: Policy,
  request: RevocationRequest,
): Promise<RevocationReport> {
  const steps: RevocationStep[] = [];
  const step = async <T>(name: RevocationStep["step"], work: () => Promise<{ seen: string; value: T }>) => {
    try {
      const { seen, value } = await work();
      steps.push({ step: name, ok: true, seen });
      return value;
    } catch (error) {
      steps.push({ step: name, ok: false, seen: messageOf(error) });
      return undefined;
    }
  };

  const before = await readCurrentsSoon(ports, policy, request.keyId);
  const leaked = await openLeaked(ports, policy, request, before);
  const named = serviceAccountOf(policy, request);
  const affected = before.filter(({ keyId }) => keyId === request.keyId);

  const { makeRoom } = request;
  if (makeRoom !== undefined) {
    await step("make room", async () => {
      if (before.some(({ keyId }) => keyId === makeRoom))
        throw new KeyLifecycleError(`Key ${makeRoom} is a current key, and is not deleted to make room.`);
      const outcome = await deleteWith(signersFor(before, leaked), makeRoom);
      return { value: outcome, seen: `key ${makeRoom} is ${outcome}` };
    });
  }

  const replacements = new Map<string, AccountKey>();
  const deadline = ports.now() + request.timeoutSeconds * 1000;
  for (const { serviceAccount, version } of request.deleteFirst ? [] : affected) {
    await step("replace", async () => {
      const replace = () => replaceKey(ports, serviceAccount, version, deadline);
      // The secret has just changed, so no reconciliation takes the second key for a stray that is past its grace.
      const next = await replace().catch((error: unknown) => {
        if (error instanceof ReplacementDeletedError) return replace();
        throw error;
      });
      replacements.set(serviceAccount.name, next);
      return { value: next, seen: `the current key is now ${next.keyId}` };
    });
  }
  for (const { secret } of new Set([named, ...affected.map(({ serviceAccount }) => serviceAccount)])) {
    await step("labels", async () => {
      const outcome = await dropPending(ports.store, secret, ports);
      if (outcome === "clean") return { value: outcome, seen: "no older version can become current" };
      throw new KeyLifecycleError(
        `The replicas of ${secret} are behind, so an older version keeps AWSPENDING. rotate-key refuses it.`,
      );
    });
  }

  const now = await readCurrents(ports, policy);
  // The replacements first: a read of Secrets Manager that lags may still give the leaked key as the current one.
  const signers = distinct([...replacements.values(), ...signersFor(now, leaked)]).filter(
    ({ keyId }) => keyId !== request.keyId,
  );
  const own =
    replacements.get(named.name) ?? now.find(({ serviceAccount }) => serviceAccount.name === named.name)?.key;
  await step("rules", () => moveRulesOff(ports, request.keyId, own));
  await step("delete", async () => {
    const outcome = await deleteWith([...signers, ...(leaked === undefined ? [] : [leaked])], request.keyId);
    return {
      value: outcome,
      seen: outcome === "deleted" ? "the platform deleted it" : "it was gone already",
    };
  });
  const proved = await prove(ports, signers, leaked, request.keyId, steps);

  const { forgetKeys } = ports;
  if (forgetKeys !== undefined)
    await step("containers", async () => {
      const { replicas } = await ports.store.describe(named.secret);
      return { value: undefined, seen: await forgetKeys(replicas.map(({ region }) => region)) };
    });

  const after = await readCurrents(ports, policy);
  const withoutKey = policy.serviceAccounts
    .map(({ name }) => name)
    .filter((name) => !replacements.has(name))
    .filter((name) => {
      const wasLeaked = [...affected, ...after].some(
        (one) => one.serviceAccount.name === name && one.keyId === request.keyId,
      );
      // A current key that cannot be read may be the one that was deleted: that is no success.
      return wasLeaked || (name === named.name && !after.some((one) => one.serviceAccount.name === name));
    });
  return { keyId: request.keyId, steps, proved, withoutKey, leftToDo: leftToDo(request, proved, withoutKey) };
}

/** A service account and the version that is current in its secret. */
interface Current {
  readonly serviceAccount: ServiceAccount;
  readonly version: SecretVersion;
  readonly keyId: string;
  readonly accountId: number;
  readonly key: AccountKey;
}

/** The current keys that can be read; read by label alone, so that DescribeSecret may fail. */
async function readCurrents({ store, openKey, log }: RevocationPorts, policy: Policy): Promise<Current[]> {
  const found: Current[] = [];
  for (const serviceAccount of policy.serviceAccounts) {
    try {
      const version = await store.readCurrent(serviceAccount.secret);
      if (version === undefined) continue;
      const key = await openKey(version.value);
      found.push({ serviceAccount, version, key, keyId: key.keyId, accountId: key.accountId });
    } catch (error) {
      log("warn", `The current key of ${serviceAccount.name} cannot be read: ${messageOf(error)}`);
    }
  }
  return found;
}

/**
 * Secrets Manager's reads may lag: a key that became current seconds ago would be deleted without a replacement, as one
 * that is current nowhere. So a key that is not found among the current ones is looked for again.
 */
async function readCurrentsSoon(ports: RevocationPorts, policy: Policy, keyId: string): Promise<Current[]> {
  let found = await readCurrents(ports, policy);
  for (const pause of SETTLING_PAUSES_MS.slice(0, STORE_PAUSES)) {
    if (found.some((one) => one.keyId === keyId)) break;
    await ports.sleep(pause);
    found = await readCurrents(ports, policy);
  }
  return found;
}

/** The leaked key itself, from whichever version holds it: it proves its own end, and may delete itself. */
async function openLeaked(
  { store, readSecret, openKey, log }: RevocationPorts,
  policy: Policy,
  request: RevocationRequest,
  current: readonly Current[],
): Promise<AccountKey | undefined> {
  const held = current.find(({ keyId }) => keyId === request.keyId);
  if (held !== undefined) return held.key;
  const first = serviceAccountOf(policy, request);
  for (const serviceAccount of [first, ...policy.serviceAccounts.filter((one) => one !== first)]) {
    try {
      const { state, keys } = await readSecret(serviceAccount);
      const [versionId] = [...keys].find(([, { keyId }]) => keyId === request.keyId) ?? [];
      const version = versionId === undefined ? undefined : await store.readVersion(state.arn, versionId);
      if (version !== undefined && parseCredentials(version.value).keyId === request.keyId)
        return await openKey(version.value);
    } catch (error) {
      log("warn", `Secret ${serviceAccount.secret} cannot be searched for the key: ${messageOf(error)}`);
    }
  }
  return undefined;
}

/** Keys that may delete and list keys of the leaked key's account; where its account is unknown, all. */
function signersFor(current: readonly Current[], leaked: AccountKey | undefined): AccountKey[] {
  return current
    .filter(({ accountId }) => leaked === undefined || accountId === leaked.accountId)
    .map(({ key }) => key);
}

function distinct(keys: readonly AccountKey[]): AccountKey[] {
  return [...new Map(keys.map((key) => [key.keyId, key])).values()];
}

/** By the first key that the platform accepts. */
async function deleteWith(signers: readonly AccountKey[], keyId: string): Promise<"deleted" | "absent"> {
  const refusals: string[] = [];
  let absent = false;
  for (const { api, keyId: signer } of signers) {
    try {
      if ((await api.deleteKey(keyId)) === "deleted") return "deleted";
      // Of another account, this key says the same: the others are asked too.
      absent = true;
    } catch (error) {
      refusals.push(`with key ${signer}: ${messageOf(error)}`);
    }
  }
  if (absent) return "absent";
  throw new KeyLifecycleError(refusals.join("; ") || "There is no key to sign in with.");
}

async function moveRulesOff({ log }: RevocationPorts, keyId: string, current: AccountKey | undefined) {
  if (current === undefined)
    throw new KeyLifecycleError(
      "No other key is current, so rules that are bound to the leaked key stay bound to it.",
    );
  await moveRules(current.api, [keyId], current.keyId, log);
  return {
    value: undefined,
    seen: `rules that were bound to it moved to ${current.keyId}`,
  };
}

/**
 * Both proofs in one look, so that the clock and the platform are known to be well: another key is accepted, and this one
 * is not. Looks for up to a minute, since a deletion may need time to be known everywhere.
 */
async function prove(
  { sleep }: RevocationPorts,
  signers: readonly AccountKey[],
  leaked: AccountKey | undefined,
  keyId: string,
  steps: RevocationStep[],
): Promise<boolean> {
  let looks: RevocationStep[] = [];
  for (const pause of [...SETTLING_PAUSES_MS, undefined]) {
    looks = [await lookAtList(signers, keyId), await lookAtToken(leaked)];
    if (looks.every(({ ok }) => ok) || pause === undefined) break;
    if (signers.length === 0 && looks[1]?.ok === true) break;
    await sleep(pause);
  }
  steps.push(...looks);
  return looks.every(({ ok }) => ok);
}

async function lookAtList(signers: readonly AccountKey[], keyId: string): Promise<RevocationStep> {
  const failures: string[] = [];
  for (const { api } of signers) {
    try {
      const isListed = (await api.getKeys()).some(({ key_id }) => key_id === keyId);
      const seen = isListed ? "the platform still lists it" : "the platform no longer lists it";
      return { step: "list", ok: !isListed, seen };
    } catch (error) {
      failures.push(messageOf(error));
    }
  }
  const seen = failures.join(" ") || "no other key of this Voximplant account is left to ask with";
  return { step: "list", ok: false, seen };
}

async function lookAtToken(leaked: AccountKey | undefined): Promise<RevocationStep> {
  if (leaked === undefined) {
    const seen = "no version of a secret holds its private key, so no token of it can be tried";
    return { step: "token", ok: false, seen };
  }
  try {
    await leaked.api.getAccountInfo();
    return { step: "token", ok: false, seen: "the platform still accepts a token of it" };
  } catch (error) {
    if (isRefusal(error, "authorizationFailed", "invalidKeyId", "invalidToken"))
      return { step: "token", ok: true, seen: `the platform refuses a token of it (error ${error.code})` };
    return { step: "token", ok: false, seen: messageOf(error) };
  }
}

function serviceAccountOf(
  { serviceAccounts }: Policy,
  { serviceAccount }: RevocationRequest,
): ServiceAccount {
  const found = serviceAccounts.find(({ name }) => name === serviceAccount);
  if (found === undefined)
    throw new KeyLifecycleError(`grants.yml has no service account ${serviceAccount}.`);
  return found;
}

function leftToDo(
  { keyId, serviceAccount }: RevocationRequest,
  proved: boolean,
  withoutKey: readonly string[],
): string[] {
  const again = `\`voxtoken admin revoke ${serviceAccount} --key ${keyId}\``;
  const proof =
    `It is not proved that key ${keyId} is dead. ` +
    (withoutKey.length > 0
      ? `Put another key in, then run ${again}.`
      : `Run ${again} again, or delete the key in the control panel.`);
  return [
    ...(proved ? [] : [proof]),
    ...withoutKey.map(
      (name) =>
        `${name} has no working key, so no token is vended. ${putAKeyIn(name)} ` +
        `If the key before it is sound: \`voxtoken admin rollback ${name}\`.`,
    ),
  ];
}
