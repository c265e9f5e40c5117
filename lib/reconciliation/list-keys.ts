import type { Policy } from "../grants/policy.ts";
import { labelledAt } from "../key-lifecycle/key-label.ts";
import { retireAt, type Standing } from "../key-lifecycle/classify-keys.ts";
import { missingKeys } from "./missing-keys.ts";
import { survey, type SurveyPorts } from "../key-lifecycle/survey.ts";

/** A key of a Voximplant account, and what manages it. Plain JSON: the function hands it to `voxtoken admin keys`. */
export interface ListedKey {
  readonly accountId: number;
  readonly keyId: string;
  readonly name: string | null;
  readonly state: Standing["state"] | "missing";
  readonly serviceAccount?: string;
  readonly roles: readonly string[];
  /** RFC 3339, as the key's description says; the platform itself does not. */
  readonly since?: string;
  /** RFC 3339, of a superseded or stray key; absent while replicas of the secret are behind. */
  readonly retireAt?: string;
}

/** All keys of all accounts, without changing anything. @throws what the first account that cannot be read gave. */
export async function listKeys(ports: SurveyPorts, policy: Policy): Promise<ListedKey[]> {
  const { accounts, secrets, failures } = await survey(ports, policy);
  const [failure] = failures;
  if (failure !== undefined) throw failure.error;
  return accounts.flatMap(({ accountId, keys }) => [
    ...keys.map(({ key, standing }): ListedKey => {
      const since = labelledAt(key, ports.now());
      const keptUntil = retireAt(standing);
      return {
        accountId,
        keyId: key.key_id,
        name: key.key_name,
        state: standing.state,
        ...("serviceAccount" in standing && { serviceAccount: standing.serviceAccount }),
        roles: (key.roles ?? [])
          .filter(({ inherited }) => inherited !== true)
          .map(({ role_name }) => role_name),
        ...(since !== undefined && { since: new Date(since).toISOString() }),
        ...(Number.isFinite(keptUntil) && keptUntil > 0 && { retireAt: new Date(keptUntil).toISOString() }),
      };
    }),
    ...missingKeys(
      accountId,
      keys.map(({ key }) => key),
      secrets,
    ).map(({ serviceAccount, keyId }): ListedKey => ({
      accountId,
      keyId,
      name: null,
      state: "missing",
      serviceAccount,
      roles: [],
    })),
  ]);
}
