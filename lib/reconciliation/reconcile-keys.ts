import type { Policy } from "../grants/policy.ts";
import { currentKey, readSecret } from "../key-lifecycle/held-secret.ts";
import { type JudgedKey, judgeKeys } from "../key-lifecycle/classify-keys.ts";
import { retireKey } from "../key-lifecycle/retire-key.ts";
import { checkRoles } from "./check-roles.ts";
import { type Finding, messageOf, notExamined } from "./finding.ts";
import { missingKeys } from "./missing-keys.ts";
import { type AccountSurvey, type Survey, survey, type SurveyPorts } from "../key-lifecycle/survey.ts";
import { type Circumstances, judgement } from "./verdict.ts";

/**
 * Finds what should not be there and removes what is provably ours. Two runs at once do no harm: a key that is gone is
 * gone, and a rule bound twice is bound.
 *
 * | standing    | what happens                                                                              |
 * | ----------- | ----------------------------------------------------------------------------------------- |
 * | current     | its roles are compared with the secret's tag, which the first run sets                    |
 * | pending     | nothing: a rotation is under way                                                          |
 * | superseded  | deleted once its grace is over, after the rules bound to it are bound to the current key  |
 * | stray       | reported, and deleted as a superseded one is                                              |
 * | orphan      | deleted                                                                                   |
 * | unmanaged   | nothing, ever                                                                             |
 * | unknown     | reported; deleted where every service account of the account says so and all was read     |
 *
 * @param retireNow a service account whose superseded keys are deleted at once, whatever still uses them: for a leak
 */
export async function reconcileKeys(
  ports: SurveyPorts,
  policy: Policy,
  { retireNow }: { readonly retireNow?: string | undefined } = {},
): Promise<Finding[]> {
  const surveyed = await survey(ports, policy);
  const findings = surveyed.failures.map(notExamined);
  for (const account of surveyed.accounts) {
    const circumstances = { policy, survey: surveyed, account, retireNow, now: ports.now() };
    findings.push(...reportMissing(account, surveyed));
    for (const judged of account.keys) {
      const finding = await treat(ports, judged, circumstances);
      if (finding !== undefined) findings.push(finding);
    }
    // Last, because the tag it may write is a change of the secret, and starts every grace anew.
    findings.push(...(await checkRoles(ports, account, surveyed)));
  }
  return findings;
}

async function treat(
  ports: SurveyPorts,
  judged: JudgedKey,
  circumstances: Circumstances,
): Promise<Finding | undefined> {
  const verdict = judgement(judged, circumstances);
  if (verdict === undefined) return undefined;
  const { finding, remove } = verdict;
  if (!remove) return { ...finding, action: "reported" };
  try {
    const removed = await removeKey(ports, judged, circumstances);
    return removed === "absent" ? undefined : { ...finding, action: "deleted" };
  } catch (error) {
    return { ...finding, action: "failed", detail: `${finding.detail} Not deleted: ${messageOf(error)}` };
  }
}

/** Looks once more, at the last moment, then deletes. `absent`: another run was faster, and has reported it. */
async function removeKey(
  { store, graceMs, log }: SurveyPorts,
  { key, standing }: JudgedKey,
  circumstances: Circumstances,
): Promise<"deleted" | "absent"> {
  const { policy, account, survey } = circumstances;
  const wasRead = new Set(survey.secrets.map(({ serviceAccount }) => serviceAccount));
  const secrets = await Promise.all(
    policy.serviceAccounts.filter(({ name }) => wasRead.has(name)).map((one) => readSecret(store, one)),
  );
  const [again] = judgeKeys([key], secrets, policy.serviceAccounts, graceMs);
  if (again === undefined || judgement(again, circumstances)?.remove !== true)
    throw new Error("a secret has changed meanwhile.");

  const owner = "serviceAccount" in standing ? standing.serviceAccount : undefined;
  const member = account.members.find(({ serviceAccount }) => serviceAccount === owner);
  const { api } = (member ?? account.members[0]).key;
  const held = secrets.find(({ serviceAccount }) => serviceAccount === owner);
  const successor = held && currentKey(held);
  return successor === undefined
    ? api.deleteKey(key.key_id)
    : retireKey(api, key.key_id, successor.keyId, log);
}

function reportMissing(account: AccountSurvey, { secrets }: Survey): Finding[] {
  const keys = account.keys.map(({ key }) => key);
  return missingKeys(account.accountId, keys, secrets).map(({ serviceAccount, keyId }) => ({
    reason: "current_key_missing",
    action: "reported",
    serviceAccount,
    detail:
      `Key ${keyId}, with which tokens are signed, has been deleted on the platform: every token is refused. ` +
      `Put in another with \`voxtoken admin import\` or \`bootstrap --service-account ${serviceAccount}\`.`,
  }));
}
