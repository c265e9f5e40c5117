/** What a key may do without any role, according to an official page. */
const WITHOUT_ROLE = [
  "GetAccountInfo",
  "GetRoles",
  "GetKeys",
  "CreateKey",
  "UpdateKey",
  "DeleteKey",
  "SetKeyRoles",
  "GetKeyRoles",
  "RemoveKeyRoles",
] as const;

export interface Role {
  readonly id: number;
  readonly name: string;
  /** Ids of the roles that come with it. */
  readonly includes: readonly number[];
  readonly methods: readonly string[];
  readonly guiOnly: boolean;
}

/**
 * The names are the platform's. The ids, the inheritance and the methods of each role are
 * fictitious.
 */
export const roles: readonly Role[] = [
  role(1, "Owner", [2]),
  role(2, "Admin", [3, 5, 6, 7, 8, 11]),
  role(3, "Developer", [9], ["GetApplications", "GetRules", "SetRuleInfo", "GetCallHistory"]),
  role(5, "Support", [], ["GetCallHistory"]),
  role(6, "Supervisor", [5]),
  role(7, "Accountant", [], ["GetCallHistory"]),
  role(8, "CallList Manager", [], ["StartScenarios"]),
  role(9, "Scenarios", [], ["GetRules", "StartScenarios", "LocalSlow", "LocalLarge", "LocalHang"]),
  role(10, "Verification", []),
  role(11, "User Manager", []),
  { ...role(12, "Payer", []), guiOnly: true },
];

function role(id: number, name: string, includes: readonly number[], methods: readonly string[] = []): Role {
  return { id, name, includes, methods, guiOnly: false };
}

/**
 * The roles of these ids and all roles that they include. Those not among the ids are inherited.
 */
export function expandRoles(ids: Iterable<number>): { role: Role; inherited: boolean }[] {
  const direct = new Set(ids);
  const all = new Set(direct);
  for (const id of all) {
    for (const included of roles.find((candidate) => candidate.id === id)?.includes ?? []) {
      all.add(included); // The iteration of a set includes elements that are added meanwhile.
    }
  }
  return roles
    .filter((candidate) => all.has(candidate.id))
    .map((candidate) => ({ role: candidate, inherited: !direct.has(candidate.id) }));
}

/** `access_entries`: the methods that a key with these roles may call. */
export function allowedMethods(roleIds: Iterable<number>): string[] {
  const granted = expandRoles(roleIds).flatMap(({ role: { methods } }) => methods);
  return [...new Set([...WITHOUT_ROLE, ...granted])].sort();
}
