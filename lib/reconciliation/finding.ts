import type { Key } from "../voximplant/methods.ts";

/** What reconciliation found, and what it did about it. */
export interface Finding {
  readonly reason:
    | "superseded_key"
    | "orphan_key"
    | "stray_key"
    | "unknown_key"
    | "undetermined_key"
    | "roles_changed"
    | "current_key_missing"
    | "wrong_account"
    | "key_overdue"
    | "rotation_stuck"
    | "replica_behind"
    | "unreadable_version"
    | "not_examined";
  /** `failed`: to be deleted, but it was not; the next run tries again. */
  readonly action: "deleted" | "reported" | "failed";
  /** Whose key it is; of an unknown key, a service account of the same Voximplant account. */
  readonly serviceAccount: string;
  /** For people: what it means, and what to do. */
  readonly detail: string;
  readonly key?: Key;
  /** The Voximplant account, where it is a child account. */
  readonly accountId?: number;
}

/** Something that could not be examined or done, rather than something found. */
export function isFailure({ reason, action }: Finding): boolean {
  return reason === "not_examined" || reason === "unreadable_version" || action === "failed";
}

export function notExamined(failure: { readonly serviceAccount: string; readonly error: unknown }): Finding {
  return {
    reason: "not_examined",
    action: "reported",
    serviceAccount: failure.serviceAccount,
    detail:
      `${messageOf(failure.error)} Until this works, a key that no secret holds is called undetermined, and is ` +
      "not deleted.",
  };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
