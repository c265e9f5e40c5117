import type { Key } from "../voximplant/methods.ts";

/** What reconciliation found, and what it did about it. */
export interface Finding {
  readonly reason:
    | "superseded_key"
    | "orphan_key"
    | "stray_key"
    | "unknown_key"
    | "roles_changed"
    | "current_key_missing"
    | "not_examined";
  /** `failed`: to be deleted, but it was not; the next run tries again. */
  readonly action: "deleted" | "reported" | "failed";
  /** Whose key it is; of an unknown key, the service account whose key listed it. */
  readonly serviceAccount: string;
  /** For people: what it means, and what to do. */
  readonly detail: string;
  readonly key?: Key;
}

/** Something that could not be examined or done, rather than something found. */
export function isFailure({ reason, action }: Finding): boolean {
  return reason === "not_examined" || action === "failed";
}

export function notExamined(failure: { readonly serviceAccount: string; readonly error: unknown }): Finding {
  return {
    reason: "not_examined",
    action: "reported",
    serviceAccount: failure.serviceAccount,
    detail: `${messageOf(failure.error)} While a secret cannot be read, unknown keys are reported but not deleted.`,
  };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
