import { copyRoles } from "../key-lifecycle/roles.ts";
import { bothVersions, type Rotation } from "./rotation.ts";

/** Gives the pending key the current key's own roles. Inherited roles come with them. */
export async function setSecret(rotation: Rotation): Promise<void> {
  const { openKey } = rotation;
  const { current, pending } = bothVersions(rotation);
  const { api, keyId: currentId } = await openKey(current.value);
  const { keyId: pendingId } = await openKey(pending.value);
  await copyRoles(api, currentId, pendingId);
}
