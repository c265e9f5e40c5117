import { type Policy, wrongAccount } from "../grants/policy.ts";
import { putAKeyIn } from "../key-lifecycle/key-lifecycle-error.ts";
import { currentKey, type SecretSnapshot } from "../key-lifecycle/snapshot.ts";
import type { Snapshot } from "../key-lifecycle/take-snapshot.ts";
import { type Finding, messageOf, reported } from "./finding.ts";

/** Finds versions that cannot be read, and current keys that do not work or must not be used. */
export function examineSecrets(policy: Policy, snapshot: Snapshot): Finding[] {
  const { secrets } = snapshot;
  return [
    ...secrets.flatMap(unreadableVersions),
    ...secrets.flatMap((secret) => missingKey(snapshot, secret)),
    ...secrets.flatMap((secret) => wrongAccountKey(policy, secret)),
  ];
}

function unreadableVersions({ serviceAccount, state, unreadable }: SecretSnapshot): Finding[] {
  return unreadable.map(({ versionId, labels, error }) =>
    reported(
      "unreadable_version",
      serviceAccount,
      `Version ${versionId} of secret ${state.name} (${labels.join(", ") || "no label"}) cannot be read: ` +
        `${messageOf(error)} ` +
        (labels.includes("AWSCURRENT")
          ? `Every token of ${serviceAccount} fails. Import the right file: ` +
            `\`voxtoken admin import FILE --service-account ${serviceAccount}\`.`
          : "Other keys are still examined. If it was stored by mistake, take its label off: `aws secretsmanager " +
            `update-secret-version-stage --secret-id ${state.name} --version-stage ${labels[0] ?? "LABEL"} ` +
            `--remove-from-version-id ${versionId}\`.`),
    ),
  );
}

/** A current key that the platform refuses or does not list. It accepts no token of such a key. */
function missingKey({ accounts, refused }: Snapshot, secret: SecretSnapshot): Finding[] {
  const { serviceAccount } = secret;
  const current = currentKey(secret);
  if (current === undefined) return [];
  const { accountId, keyId } = current;
  const refusal = refused.find((problem) => problem.serviceAccount === serviceAccount);
  const account = accounts.find((one) => one.accountId === accountId);
  const isListed = account?.keys.some(({ key }) => key.key_id === keyId) ?? true;
  if (refusal === undefined && isListed) return [];
  const seen =
    refusal === undefined
      ? "The platform does not list it."
      : `The platform refuses it: ${messageOf(refusal.error)}`;
  const detail =
    `Tokens are signed with key ${keyId}, and the platform does not accept them. ${seen} If the key was deleted: ` +
    putAKeyIn(serviceAccount);
  return [reported("current_key_missing", serviceAccount, detail)];
}

function wrongAccountKey({ serviceAccounts }: Policy, secret: SecretSnapshot): Finding[] {
  const serviceAccount = serviceAccounts.find(({ name }) => name === secret.serviceAccount);
  const current = currentKey(secret);
  const problem = serviceAccount && current && wrongAccount(serviceAccount, current);
  if (problem === undefined) return [];
  const detail = `${problem}. Find out who stored it: docs/runbook.md#wrong-account.`;
  return [reported("wrong_account", secret.serviceAccount, detail)];
}
