import type { EpochMs } from "../epoch.ts";
import type { AccountKey } from "../key-lifecycle/account-key.ts";
import { isUnknownKey, SETTLING_PAUSES_MS, type Waiting } from "../key-lifecycle/settle.ts";
import { messageOf } from "./finding.ts";

/** A request to the platform, and whether its answer is one part of the proof. */
interface Look {
  readonly step: "list" | "token";
  readonly ok: boolean;
  /** For people: what the platform answered. */
  readonly seen: string;
}

/** After this time no further look begins, so that time is left for the report. */
const LOOKS_END_MS = 120_000;

/**
 * Asks the platform whether a key is dead. The proof has two parts: the platform accepts another
 * key and does not list this key, and the platform refuses a token of this key. One part alone is
 * not enough, because a wrong clock or an outage would then count as a proof. Asks for up to a
 * minute, because a deletion may need time to take effect everywhere.
 *
 * @param signers other keys of the same Voximplant account, the most likely to work first
 * @param leaked the key itself; undefined if no version that can be read holds its private key
 */
export async function proveDead(
  { sleep, now }: Waiting & { readonly now: () => EpochMs },
  signers: readonly AccountKey[],
  leaked: AccountKey | undefined,
  keyId: string,
): Promise<Look[]> {
  const accountIds = new Set(signers.map(({ accountId }) => accountId));
  // If the key's account is not known, the key may be in the account of any signer.
  const accounts =
    leaked === undefined && accountIds.size > 0
      ? [...accountIds].map((id) => signers.filter(({ accountId }) => accountId === id))
      : [signers];
  const startedAt = now();
  const isLate = () => now() - startedAt >= LOOKS_END_MS;
  for (let looks = 0; ; looks += 1) {
    const lists = await Promise.all(accounts.map((ofAccount) => lookAtList(ofAccount, keyId, isLate)));
    const seen = [allOf(lists), await lookAtToken(leaked)];
    const pause = SETTLING_PAUSES_MS[looks];
    if (seen.every(({ ok }) => ok) || pause === undefined) return seen;
    if (signers.length === 0 && seen[1]?.ok === true) return seen;
    if (isLate()) return seen;
    await sleep(pause);
  }
}

/** Combines the looks at several lists. If some have failed, `seen` shows only these. */
function allOf(looks: readonly Look[]): Look {
  const failed = looks.filter(({ ok }) => !ok);
  const shown = failed.length > 0 ? failed : looks;
  return { step: "list", ok: failed.length === 0, seen: shown.map(({ seen }) => seen).join("; ") };
}

async function lookAtList(
  signers: readonly AccountKey[],
  keyId: string,
  isLate: () => boolean,
): Promise<Look> {
  const failures: string[] = [];
  for (const { api, keyId: signer } of signers) {
    if (failures.length > 0 && isLate()) break;
    try {
      const isListed = (await api.getKeys()).some(({ key_id }) => key_id === keyId);
      const seen = isListed ? "the platform still lists it" : "the platform no longer lists it";
      return { step: "list", ok: !isListed, seen: `${seen} (asked with key ${signer})` };
    } catch (error) {
      failures.push(messageOf(error));
    }
  }
  const seen = failures.join(" ") || "there is no other key of this Voximplant account to ask with";
  return { step: "list", ok: false, seen };
}

/**
 * Looks for the key in other Voximplant accounts.
 *
 * @param isDeleted whether the platform has said that it deleted the key. If false, the key may be
 *   in an account whose keys cannot be listed.
 * @returns a failed look for each account that lists the key or may have the key
 */
export async function lookInAccounts(
  signers: readonly AccountKey[],
  keyId: string,
  isDeleted: boolean,
): Promise<Look[]> {
  const looks = await Promise.all(
    signers.map(async ({ api, accountId, keyId: signer }): Promise<string | undefined> => {
      try {
        const isListed = (await api.getKeys()).some(({ key_id }) => key_id === keyId);
        return isListed ? `account ${accountId} still lists it (asked with key ${signer})` : undefined;
      } catch (error) {
        return isDeleted ? undefined : `it may be in account ${accountId}: ${messageOf(error)}`;
      }
    }),
  );
  return looks.flatMap((seen) => (seen === undefined ? [] : [{ step: "list", ok: false, seen }]));
}

async function lookAtToken(leaked: AccountKey | undefined): Promise<Look> {
  const look = (ok: boolean, seen: string): Look => ({ step: "token", ok, seen });
  if (leaked === undefined)
    return look(
      false,
      "no readable version of a secret holds its private key, so no token of it can be tried",
    );
  try {
    await leaked.api.getAccountInfo();
    return look(false, "the platform still accepts a token of it");
  } catch (error) {
    return isUnknownKey(error)
      ? look(true, `the platform refuses a token of it (error ${error.code})`)
      : look(false, messageOf(error));
  }
}
