import type { Place } from "./diff-changes.ts";
import type { Policy, ServiceAccount } from "./policy.ts";

/** A change of a service account itself. `Difference` has the changes of grants and lifetimes. */
export interface AccountChange {
  readonly name: string;
  readonly kind: "added" | "removed" | "changed";
  /** Whether its callers may get tokens of another key than before. */
  readonly gain: boolean;
  readonly field?: string;
  readonly from?: string;
  readonly to?: string;
  readonly place: Place;
}

/**
 * The fields that are compared here, and whether a change of a field can give callers more. If a
 * field of {@link ServiceAccount} has no entry, the code does not compile.
 */
const fields = {
  // Another secret can hold a key of another account, or a key with other roles.
  secret: () => true,
  claims: () => false,
  // Without the field, a key of any account is used, so adding the field gives nothing more.
  accountId: (from) => from !== undefined,
  unmanagedKeys: () => false,
  unknownKeys: () => false,
} satisfies Record<
  // `Difference` has a change of `maxTtlSeconds`: the lifetime of a rule in rules.ts is at most the
  // grant's `maxTtlSeconds` and at most the service account's.
  Exclude<keyof ServiceAccount, "name" | "maxTtlSeconds">,
  (from: string | undefined) => boolean
>;

const names = Object.keys(fields) as (keyof typeof fields)[];

/** @param granted names of service accounts that a grant gives */
export function serviceAccountChanges(
  before: Policy,
  after: Policy,
  granted: ReadonlySet<string>,
): AccountChange[] {
  const [old, current] = [byName(before), byName(after)];
  const all = [...new Set([...old.keys(), ...current.keys()])].sort();
  return all.flatMap((name): AccountChange[] => {
    const [was, is] = [old.get(name), current.get(name)];
    const at = (side: Place["side"], ...path: string[]): Place => ({
      side,
      path: ["serviceAccounts", name, ...path],
    });
    if (!is) return [{ name, kind: "removed", gain: false, place: at("old") }];
    if (!was) return [{ name, kind: "added", gain: false, place: at("new") }];
    return names.flatMap((field): AccountChange[] => {
      const [from, to] = [textOf(was[field]), textOf(is[field])];
      if (from === to) return [];
      return [
        {
          name,
          kind: "changed",
          gain: granted.has(name) && fields[field](from),
          field,
          ...(from === undefined ? {} : { from }),
          ...(to === undefined ? {} : { to }),
          place: at("new", field),
        },
      ];
    });
  });
}

function byName({ serviceAccounts }: Policy): Map<string, ServiceAccount> {
  return new Map(serviceAccounts.map((account) => [account.name, account]));
}

/** Lists are compared without regard to their order. */
function textOf(value: ServiceAccount[keyof typeof fields]): string | undefined {
  if (value === undefined) return undefined;
  return typeof value === "object" ? [...new Set(value)].sort().join(", ") : String(value);
}
