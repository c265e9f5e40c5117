import { errorCodes } from "../../voximplant/errors.ts";
import { type Answer, answered, NOTHING_TO_SET, replyFacts } from "./answer.ts";
import { ask, describe, NoAnswerError, pause, type Reply } from "./ask.ts";
import { WAIT_MS } from "./poll.ts";
import { signPlain } from "./signer.ts";
import type { ThrowAwayKey } from "./throw-away-keys.ts";
import { askAsGiven, makeKey, type Probe, withAcceptedKey } from "./with-key.ts";

/** Asks with a key without roles. Throws if the platform gives roles to new keys. */
async function withoutRoles(
  probe: Probe,
  run: (key: ThrowAwayKey, token: string) => Promise<Answer>,
): Promise<Answer> {
  return withAcceptedKey(probe, async (key) => {
    const roles = await askAsGiven(probe, "GetKeyRoles", { key_id: key.keyId });
    if (!roles.accepted) throw new NoAnswerError(`GetKeyRoles: ${describe(roles)}`);
    if (rolesIn(roles).length > 0) {
      throw new NoAnswerError("the platform gives roles to a new key");
    }
    return run(key, await signPlain(key.signer, probe.connection.now()));
  });
}

const FORBIDDEN = new Set<number>([errorCodes.authorizationFailed, errorCodes.forbidden]);

function reachAnswer(reply: Reply, ifReached: string, ifNot: string = NOTHING_TO_SET): Answer {
  if (reply.accepted) return answered("yes", ifReached, { reached: true, ...replyFacts(reply) });
  const reached = !FORBIDDEN.has(reply.code);
  return answered(
    reached ? `refused, not for the missing role (${describe(reply)})` : `no (${describe(reply)})`,
    reached ? ifReached : ifNot,
    { reached, ...replyFacts(reply) },
  );
}

export async function askCreate(probe: Probe): Promise<Answer> {
  return withoutRoles(probe, async (_, token) => {
    const created = await probe.keys.create(token);
    if (!("accepted" in created)) probe.other = created;
    const reply: Reply =
      "accepted" in created
        ? created
        : { accepted: true, status: created.httpStatus, result: undefined, body: {} };
    return reachAnswer(
      reply,
      "unknownKeys: delete; maxTtlSeconds: 300 or less",
      "unknownKeys: report (the default)",
    );
  });
}

export async function askUpdate(probe: Probe): Promise<Answer> {
  return withoutRoles(probe, async (key, token) => {
    const parameters = {
      key_id: key.keyId,
      key_name: key.name,
      description: "Throw-away key of voxtoken admin probe; may be deleted at any time. Updated.",
    };
    const { connection, signal } = probe;
    return reachAnswer(await ask(connection, token, "UpdateKey", parameters, { signal }), NOTHING_TO_SET);
  });
}

export async function askDelete(probe: Probe): Promise<Answer> {
  return withoutRoles(probe, async (_, token) => {
    const other = probe.other ?? (await makeKey(probe));
    const until = other.createdAt + WAIT_MS;
    for (;;) {
      const reply = await probe.keys.deleteWith(token, other.keyId, probe.signal);
      const isUnknownYet = !reply.accepted && reply.code === errorCodes.invalidKeyId;
      if (!isUnknownYet || probe.connection.now() >= until)
        return reachAnswer(reply, "maxTtlSeconds: 300 or less");
      await pause(probe.connection, 1000, probe.signal);
    }
  });
}

interface RoleView {
  readonly role_id?: unknown;
  readonly role_name?: unknown;
  readonly gui_only?: unknown;
}

/**
 * Tries the role Admin first, as a thief would, and then one other role, but never Owner. Removes
 * the role at once. The next step deletes the key.
 */
export async function askRaise(probe: Probe): Promise<Answer> {
  return withoutRoles(probe, async (key, token) => {
    const known = await askAsGiven(probe, "GetRoles");
    if (!known.accepted) throw new NoAnswerError(`GetRoles: ${describe(known)}`);
    const candidates = rolesIn(known)
      .filter((role) => typeof role.role_id === "number" && role.gui_only !== true)
      .filter(({ role_name }) => !/owner/i.test(String(role_name)))
      .sort((one, other) => Number(other.role_name === "Admin") - Number(one.role_name === "Admin"));
    const tried = [candidates[0], candidates.at(-1)].filter((role) => role !== undefined);
    let reply: (Reply & { readonly accepted: false }) | undefined;
    for (const { role_id, role_name } of new Set(tried)) {
      const parameters = { key_id: key.keyId, role_id: String(role_id) };
      let attempt: Reply | undefined;
      let roles: Reply;
      try {
        attempt = await ask(probe.connection, token, "SetKeyRoles", parameters, { signal: probe.signal });
        if (!attempt.accepted) {
          reply = attempt;
          continue;
        }
        roles = await askAsGiven(probe, "GetKeyRoles", { key_id: key.keyId });
      } finally {
        // Also if an answer was lost. If this fails, the key loses the role when it is deleted.
        if (attempt?.accepted !== false)
          await ask(probe.connection, token, "RemoveKeyRoles", parameters).catch(() => undefined);
      }
      if (!roles.accepted) throw new NoAnswerError(`GetKeyRoles: ${describe(roles)}`);
      const isThere = rolesIn(roles).some((role) => role.role_id === role_id);
      const name = String(role_name)
        .replace(/[^\w -]/g, "?")
        .slice(0, 30);
      return answered(
        isThere
          ? `yes, it made itself ${name}`
          : `accepted for ${name}, but GetKeyRoles does not show the role`,
        "unknownKeys: delete; maxTtlSeconds: 300 or less",
        { reached: true, raised: isThere, ...replyFacts(attempt) },
      );
    }
    if (reply === undefined) throw new NoAnswerError("GetRoles: no role that can be tried");
    const facts = { reached: !FORBIDDEN.has(reply.code), raised: false, ...replyFacts(reply) };
    return answered(`no (${describe(reply)})`, NOTHING_TO_SET, facts);
  });
}

/** The roles of a list, without items that cannot be read. */
function rolesIn(reply: Reply): RoleView[] {
  if (!reply.accepted || !Array.isArray(reply.result)) return [];
  return reply.result.filter((item): item is RoleView => typeof item === "object" && item !== null);
}
