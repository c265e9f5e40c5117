import { errorCodes } from "../../voximplant/errors.ts";
import { type Answer, answered, NOTHING_TO_SET, type Outcome, replyFacts, timingAnswer } from "./answer.ts";
import { describe, NoAnswerError } from "./ask.ts";
import { poll } from "./poll.ts";
import { signPlain } from "./signer.ts";
import type { ListedKey, ThrowAwayKey } from "./throw-away-keys.ts";
import { askAsGiven, makeKey, newKey, type Probe, tryToken } from "./with-key.ts";

/** More keys than any account is known to allow. Without it, --fill might never end. */
const MAX_FILL = 500;
const MAX_FILL_MS = 10 * 60_000;
/** The default lifetime of a vended token. Callers may still use such tokens of a deleted key. */
const VENDED_TTL_SECONDS = 300;

export async function askShape(probe: Probe): Promise<Answer> {
  const created = await makeKey(probe);
  probe.key = created;
  return answered(created.shape === "array" ? "an array" : "an object", NOTHING_TO_SET, {
    shape: created.shape,
  });
}

export async function askNewKey(probe: Probe): Promise<Outcome[]> {
  const { connection, keys, signal } = probe;
  const key = newKey(probe);
  const timings = await poll(
    connection,
    key.createdAt,
    [
      async () => (await tryToken(probe, await signPlain(key.signer, connection.now()), 1)).accepted,
      async () => {
        const reply = await askAsGiven(probe, "GetKeyRoles", { key_id: key.keyId }, 1);
        if (reply.accepted || reply.code === errorCodes.invalidKeyId) return reply.accepted;
        throw new NoAnswerError(`GetKeyRoles: ${describe(reply)}`);
      },
      async () => has(await keys.list(signal, 1), key),
    ],
    signal,
  );
  probe.isKeyAccepted = timings[0]?.kind !== "not settled";
  return timings.map((timing) =>
    timingAnswer(timing, NOTHING_TO_SET, "no setting helps: rotation would fail; please report it"),
  );
}

export async function askDeletedKey(probe: Probe): Promise<Outcome[]> {
  const { connection, given, keys, signal } = probe;
  const key = newKey(probe);
  const oldToken = await signPlain(key.signer, connection.now(), VENDED_TTL_SECONDS);
  const wasAccepted = await tryToken(probe, oldToken);
  const reply = await keys.deleteWith(await signPlain(given, connection.now()), key.keyId, signal);
  if (!reply.accepted) throw new NoAnswerError(`DeleteKey: ${describe(reply)}`);
  const timings = await poll(
    connection,
    connection.now(),
    [
      async () => !(await tryToken(probe, oldToken, 1)).accepted,
      async () => !(await tryToken(probe, await signPlain(key.signer, connection.now()), 1)).accepted,
      async () => !has(await keys.list(signal, 1), key),
    ],
    signal,
  );
  return timings.map((timing, index) => {
    if (index < 2 && !wasAccepted.accepted)
      return `the token was refused before DeleteKey (${describe(wasAccepted)})`;
    return timingAnswer(timing, NOTHING_TO_SET, index < 2 ? "maxTtlSeconds: 300 or less" : NOTHING_TO_SET);
  });
}

export async function askLimit(probe: Probe): Promise<Answer> {
  if (!probe.fill) throw new NoAnswerError("asked only with --fill");
  const { keys, given, connection, signal } = probe;
  const made = new Set<string>();
  const until = connection.now() + MAX_FILL_MS;
  while (made.size < MAX_FILL && connection.now() < until) {
    if (signal.aborted) throw new NoAnswerError("interrupted");
    const created = await keys.create(await signPlain(given, connection.now()));
    if (!("accepted" in created)) {
      made.add(created.keyId);
      continue;
    }
    if (created.code !== errorCodes.tooManyKeys) {
      throw new NoAnswerError(`CreateKey after ${made.size} keys: ${describe(created)}`);
    }
    // The newest keys may not be listed yet.
    const others = (await keys.list(signal)).filter(({ keyId }) => !made.has(keyId));
    const limit = others.length + made.size;
    return answered(
      `${limit} (then ${describe(created)})`,
      // Each service account has a current key, and in a rotation a pending and a superseded one.
      `serviceAccounts: at most ${Math.floor(limit / 3)} in one account`,
      { limit, ...replyFacts(created) },
    );
  }
  return answered(`more than ${made.size}`, NOTHING_TO_SET, { limitIsOver: made.size });
}

function has(list: readonly ListedKey[], { keyId }: ThrowAwayKey): boolean {
  return list.some((listed) => listed.keyId === keyId);
}
