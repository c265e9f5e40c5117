import type { AccountKey } from "../key-lifecycle/account-key.ts";
import { SETTLING_PAUSES_MS } from "../key-lifecycle/settle.ts";
import { isRefusal } from "../voximplant/errors.ts";
import { messageOf } from "./finding.ts";

/** One question to the platform, and whether its answer proves that the key is dead. */
export interface Look {
  readonly step: "list" | "token";
  readonly ok: boolean;
  /** For people: what the platform answered. */
  readonly seen: string;
}

/**
 * Asks the platform whether a key is dead: another key is accepted and does not list it, and a token
 * signed with it is refused. Both in one look, so that neither a wrong clock nor an outage counts as
 * a proof. Looks for up to a minute, because a deletion may need time to be known everywhere.
 *
 * @param signers other keys of the same Voximplant account, the most likely to work first
 * @param leaked the key itself; absent if no secret holds its private key
 */
export async function proveDead(
  { sleep }: { readonly sleep: (milliseconds: number) => Promise<void> },
  signers: readonly AccountKey[],
  leaked: AccountKey | undefined,
  keyId: string,
): Promise<readonly Look[]> {
  for (let looks = 0; ; looks += 1) {
    const seen = [await lookAtList(signers, keyId), await lookAtToken(leaked)];
    const pause = SETTLING_PAUSES_MS[looks];
    if (seen.every(({ ok }) => ok) || pause === undefined) return seen;
    if (signers.length === 0 && seen[1]?.ok === true) return seen;
    await sleep(pause);
  }
}

async function lookAtList(signers: readonly AccountKey[], keyId: string): Promise<Look> {
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

async function lookAtToken(leaked: AccountKey | undefined): Promise<Look> {
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
