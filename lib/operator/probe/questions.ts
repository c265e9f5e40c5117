import { randomUUID } from "node:crypto";

import type { Connection, Parameters } from "../../voximplant/call.ts";
import { errorCodes } from "../../voximplant/errors.ts";
import { type Answer, answered, NOTHING_TO_SET, replyAnswer, replyFacts, timingAnswer } from "./answer.ts";
import { ask, describe, NoAnswerError, pause, type Reply } from "./ask.ts";
import { poll, WAIT_MS } from "./poll.ts";
import { plainClaims, sign, type Signer, signPlain } from "./signer.ts";
import { type ListedKey, type ThrowAwayKey, type ThrowAwayKeys } from "./throw-away-keys.ts";

/** What the questions work with. One question leaves to the next what it made. */
export interface Probe {
  readonly connection: Connection;
  readonly given: Signer;
  readonly keys: ThrowAwayKeys;
  readonly signal: AbortSignal;
  readonly fill: boolean;
  readonly child: number | undefined;
  /** The throw-away key that most questions are about. */
  key?: ThrowAwayKey;
  /** Another one, to be deleted by a token of the first. */
  other?: ThrowAwayKey;
  /** Whether the platform takes tokens of `key`. Else each refusal would be taken for an answer. */
  isKeyAccepted?: boolean;
}

export interface Question {
  readonly id: string;
  readonly text: string;
}

/** Questions that are answered together, in the order of `questions`. */
export interface Step {
  readonly doing: string;
  readonly questions: readonly Question[];
  /** @throws NoAnswerError no question of the step has an answer; an error in its place: that one has none */
  readonly run: (probe: Probe) => Promise<(Answer | NoAnswerError)[]>;
}

const MAX_FILL = 500;
/** The default of the vendor: what a caller may still hold when its key is deleted. */
const VENDED_TTL_SECONDS = 300;

function question(id: string, text: string, doing: string, run: (probe: Probe) => Promise<Answer>): Step {
  return { doing, questions: [{ id, text }], run: async (probe) => [await run(probe)] };
}

export const steps: readonly Step[] = [
  question("create_key_result", "CreateKey returns", "making a throw-away key", askShape),
  {
    doing: "waiting for the new key (60 s at most)",
    questions: [
      { id: "new_key_signs", text: "New key: its token is accepted" },
      { id: "new_key_found", text: "New key: GetKeyRoles finds it" },
      { id: "new_key_listed", text: "New key: GetKeys lists it" },
    ],
    run: askNewKey,
  },
  question("iss", "iss may be a number, a string", "trying iss as a number and as a string", askIss),
  question("claims", "sub and jti are accepted", "trying the claims sub and jti", askClaims),
  question("expired", "Expired token", "trying an expired token", (probe) =>
    askRefusal(probe, { iat: -600, exp: -300 }, errorCodes.tokenExpired),
  ),
  question("future", "Token from the future", "trying a token from the future", (probe) =>
    askRefusal(probe, { iat: 600, exp: 900 }, errorCodes.tokenFromTheFuture),
  ),
  question("too_long", "Token for over 3600 s", "trying a token that is valid too long", (probe) =>
    askRefusal(probe, { iat: -5, exp: 7200 }, errorCodes.tokenTtlTooLong),
  ),
  question("unknown_key", "Token of an unknown key", "trying a token of an unknown key", (probe) =>
    askRefusal(probe, { iat: -5, exp: 120 }, undefined, randomUUID()),
  ),
  question("child", "iss may be a child account", "trying iss of a child account", askChild),
  question("roleless_create", "No role: CreateKey", "calling CreateKey without a role", askCreate),
  question("roleless_update", "No role: UpdateKey", "calling UpdateKey without a role", askUpdate),
  question("roleless_delete", "No role: DeleteKey", "calling DeleteKey without a role", askDelete),
  question(
    "roleless_set_roles",
    "No role: SetKeyRoles on itself",
    "calling SetKeyRoles without a role",
    askRaise,
  ),
  {
    doing: "waiting for the end of a deleted key (60 s at most)",
    questions: [
      { id: "deleted_old_token", text: "Deleted key: token made before is refused" },
      { id: "deleted_new_token", text: "Deleted key: token made after is refused" },
      { id: "deleted_unlisted", text: "Deleted key: GetKeys omits it" },
    ],
    run: askDeletedKey,
  },
  question("key_limit", "Keys per account", "making keys until the account is full", askLimit),
];

/** A token of that key, tried on the one method that every key may call. */
async function tryToken(probe: Probe, token: string, attempts?: number): Promise<Reply> {
  const { connection, signal } = probe;
  return ask(connection, token, "GetAccountInfo", {}, { signal, ...(attempts && { attempts }) });
}

async function askAsGiven(probe: Probe, method: string, parameters: Parameters = {}): Promise<Reply> {
  const token = await signPlain(probe.given, probe.connection.now());
  return ask(probe.connection, token, method, parameters, { signal: probe.signal });
}

function newKey({ key }: Probe): ThrowAwayKey {
  if (key === undefined) throw new NoAnswerError("there is no throw-away key");
  return key;
}

/**
 * Asks with the throw-away key, and sees to it that the answer is about what was asked: if a plain token of the key is
 * refused as well, a refusal says nothing.
 */
async function withAcceptedKey<T>(probe: Probe, run: (key: ThrowAwayKey) => Promise<T>): Promise<T> {
  const key = newKey(probe);
  if (probe.isKeyAccepted === false) throw new NoAnswerError("the new key was not accepted within 60 s");
  const result = await run(key);
  const control = await tryToken(probe, await signPlain(key.signer, probe.connection.now()));
  if (control.accepted) return result;
  throw new NoAnswerError(`a plain token of the throw-away key is refused too (${describe(control)})`);
}

async function askIss(probe: Probe): Promise<Answer> {
  return withAcceptedKey(probe, async ({ signer }) => {
    const { accountId } = signer.signingKey;
    const tryIss = async (iss: number | string) =>
      tryToken(probe, await sign(signer, plainClaims(iss, probe.connection.now())));
    const [number, string] = [await tryIss(accountId), await tryIss(String(accountId))];
    const say = (reply: Reply) => (reply.accepted ? "yes" : `no (${describe(reply)})`);
    return answered(
      `number: ${say(number)}; string: ${say(string)}`,
      number.accepted ? NOTHING_TO_SET : "nothing helps: vended tokens have a number; please report it",
      { number: number.accepted, string: string.accepted },
    );
  });
}

async function askShape(probe: Probe): Promise<Answer> {
  const created = await probe.keys.create(await signPlain(probe.given, probe.connection.now()));
  if ("accepted" in created) throw new NoAnswerError(`CreateKey: ${describe(created)}`);
  probe.key = created;
  return answered(created.shape === "array" ? "an array" : "an object", NOTHING_TO_SET, {
    shape: created.shape,
  });
}

async function askNewKey(probe: Probe): Promise<(Answer | NoAnswerError)[]> {
  const { connection, keys, signal } = probe;
  const key = newKey(probe);
  const timings = await poll(
    connection,
    key.createdAt,
    [
      async () => (await tryToken(probe, await signPlain(key.signer, connection.now()), 1)).accepted,
      async () => {
        const reply = await askAsGiven(probe, "GetKeyRoles", { key_id: key.keyId });
        if (reply.accepted || reply.code === errorCodes.invalidKeyId) return reply.accepted;
        throw new NoAnswerError(`GetKeyRoles: ${describe(reply)}`);
      },
      async () => has(await keys.list(signal), key),
    ],
    signal,
  );
  probe.isKeyAccepted = timings[0]?.kind !== "not settled";
  return timings.map((timing) =>
    orError(() =>
      timingAnswer(timing, NOTHING_TO_SET, "nothing helps: rotation would fail; please report it"),
    ),
  );
}

async function askClaims(probe: Probe): Promise<Answer> {
  const sub = "arn:aws:iam::111122223333:role/voxtoken-probe";
  const jti = randomUUID();
  return withAcceptedKey(probe, async ({ signer }) => {
    const tryWith = async (extra: object) => {
      const claims = { ...plainClaims(signer.iss, probe.connection.now()), ...extra };
      return tryToken(probe, await sign(signer, claims));
    };
    const both = await tryWith({ sub, jti });
    if (both.accepted)
      return answered("yes, both", "claims: standard (the default)", { sub: true, jti: true });
    const [withSub, withJti] = [await tryWith({ sub }), await tryWith({ jti })];
    const say = (name: string, { accepted }: Reply) => `${name}: ${accepted ? "yes" : "no"}`;
    return answered(
      `${say("sub", withSub)}; ${say("jti", withJti)}; both: no (${describe(both)})`,
      "claims: minimal",
      { sub: withSub.accepted, jti: withJti.accepted, both: false },
    );
  });
}

async function askRefusal(
  probe: Probe,
  times: { readonly iat: number; readonly exp: number },
  documentedCode: number | undefined,
  kid?: string,
): Promise<Answer> {
  return withAcceptedKey(probe, async ({ signer }) => {
    const now = Math.floor(probe.connection.now() / 1000);
    const claims = { iss: signer.iss, iat: now + times.iat, exp: now + times.exp };
    return replyAnswer(await tryToken(probe, await sign(signer, claims, kid)), documentedCode);
  });
}

async function askChild(probe: Probe): Promise<Answer> {
  const { given, connection } = probe;
  const child = probe.child ?? (await findChild(probe));
  if (child === undefined)
    return answered("the account has no child account", NOTHING_TO_SET, { children: 0 });
  const iss = typeof given.iss === "number" ? child : String(child);
  const tryWith = async (signer: Signer) =>
    tryToken(probe, await sign(signer, plainClaims(iss, connection.now())));
  const works = (reply: Reply) =>
    reply.accepted && (reply.result as { account_id?: unknown } | null)?.account_id === child;

  const reply = await withAcceptedKey(probe, ({ signer }) => tryWith(signer));
  if (works(reply)) {
    return answered("yes, also for a key without roles", "childAccountIds: as you need", {
      rolelessKey: true,
    });
  }
  const replyOfGiven = await tryWith(given);
  if (works(replyOfGiven)) {
    return answered("yes for the given key, no for a key without roles", "childAccountIds: as you need", {
      rolelessKey: false,
      givenKey: true,
    });
  }
  const facts = { rolelessKey: false, givenKey: false, ...replyFacts(replyOfGiven) };
  return replyOfGiven.accepted
    ? answered("no: the answer is about another account", "no childAccountIds", facts)
    : answered(`no (${describe(replyOfGiven)})`, "no childAccountIds", facts);
}

async function findChild(probe: Probe): Promise<number | undefined> {
  const reply = await askAsGiven(probe, "GetChildrenAccounts", { child_account_id: "any", count: 1 });
  if (!reply.accepted) {
    throw new NoAnswerError(`GetChildrenAccounts: ${describe(reply)}; name one with --child ID`);
  }
  const [first] = [reply.result].flat() as ({ account_id?: unknown } | null)[];
  if (first === undefined) return undefined;
  if (typeof first?.account_id === "number") return first.account_id;
  throw new NoAnswerError("GetChildrenAccounts: another shape than documented; name one with --child ID");
}

/** Runs a question about a key without roles; a new key that has some says nothing about that. */
async function withoutRoles(
  probe: Probe,
  run: (key: ThrowAwayKey, token: string) => Promise<Answer>,
): Promise<Answer> {
  return withAcceptedKey(probe, async (key) => {
    const roles = await askAsGiven(probe, "GetKeyRoles", { key_id: key.keyId });
    if (roles.accepted && Array.isArray(roles.result) && roles.result.length > 0) {
      throw new NoAnswerError("a new key has roles here from the start");
    }
    return run(key, await signPlain(key.signer, probe.connection.now()));
  });
}

const FORBIDDEN = new Set<number>([errorCodes.authorizationFailed, errorCodes.forbidden]);

function reachAnswer(reply: Reply, ifReached: string, ifNot: string = NOTHING_TO_SET): Answer {
  if (reply.accepted) return answered("yes", ifReached, { reached: true, ...replyFacts(reply) });
  const reached = !FORBIDDEN.has(reply.code);
  return answered(
    reached ? `reached, and refused for another reason (${describe(reply)})` : `no (${describe(reply)})`,
    reached ? ifReached : ifNot,
    { reached, ...replyFacts(reply) },
  );
}

async function askCreate(probe: Probe): Promise<Answer> {
  return withoutRoles(probe, async (_, token) => {
    const created = await probe.keys.create(token);
    if (!("accepted" in created)) probe.other = created;
    const reply: Reply =
      "accepted" in created
        ? created
        : { accepted: true, status: created.httpStatus, result: undefined, body: {} };
    return reachAnswer(
      reply,
      "unknownKeys: delete; a low maxTtlSeconds",
      "unknownKeys: report (the default)",
    );
  });
}

async function askUpdate(probe: Probe): Promise<Answer> {
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

async function askDelete(probe: Probe): Promise<Answer> {
  return withoutRoles(probe, async (_, token) => {
    const other = probe.other ?? (await makeOther(probe));
    const until = other.createdAt + WAIT_MS;
    for (;;) {
      const reply = await probe.keys.deleteWith(token, other.keyId, probe.signal);
      const isUnknownYet = !reply.accepted && reply.code === errorCodes.invalidKeyId;
      if (!isUnknownYet || probe.connection.now() >= until) return reachAnswer(reply, "a low maxTtlSeconds");
      await pause(probe.connection, 1000, probe.signal);
    }
  });
}

async function makeOther(probe: Probe): Promise<ThrowAwayKey> {
  const created = await probe.keys.create(await signPlain(probe.given, probe.connection.now()));
  if ("accepted" in created) throw new NoAnswerError(`CreateKey: ${describe(created)}`);
  return created;
}

interface RoleView {
  readonly role_id?: unknown;
  readonly role_name?: unknown;
  readonly gui_only?: unknown;
}

/**
 * Tries Admin first, since that is what a thief would want, and then one other role. Never Owner. The role is taken off
 * again at once; a minute later at most the key is gone.
 */
async function askRaise(probe: Probe): Promise<Answer> {
  return withoutRoles(probe, async (key, token) => {
    const known = await askAsGiven(probe, "GetRoles");
    if (!known.accepted) throw new NoAnswerError(`GetRoles: ${describe(known)}`);
    const candidates = ([known.result].flat() as RoleView[])
      .filter((role) => typeof role.role_id === "number" && role.gui_only !== true)
      .filter(({ role_name }) => !/owner/i.test(String(role_name)))
      .sort((one, other) => Number(other.role_name === "Admin") - Number(one.role_name === "Admin"));
    const tried = [candidates[0], candidates.at(-1)].filter((role) => role !== undefined);
    let reply: Reply | undefined;
    for (const { role_id, role_name } of new Set(tried)) {
      const parameters = { key_id: key.keyId, role_id: String(role_id) };
      reply = await ask(probe.connection, token, "SetKeyRoles", parameters, { signal: probe.signal });
      if (!reply.accepted) continue;
      const roles = await askAsGiven(probe, "GetKeyRoles", { key_id: key.keyId });
      const isThere =
        roles.accepted && ([roles.result].flat() as RoleView[]).some((role) => role.role_id === role_id);
      // Failing that, the key is deleted all the same.
      await ask(probe.connection, token, "RemoveKeyRoles", parameters).catch(() => undefined);
      const name = String(role_name)
        .replace(/[^\w -]/g, "?")
        .slice(0, 30);
      return answered(
        isThere
          ? `yes, it made itself ${name}`
          : `accepted for ${name}, but GetKeyRoles does not show the role`,
        "unknownKeys: delete; a low maxTtlSeconds",
        { reached: true, raised: isThere, ...replyFacts(reply) },
      );
    }
    if (reply === undefined) throw new NoAnswerError("GetRoles: no role that can be tried");
    const answer = reachAnswer(reply, NOTHING_TO_SET);
    return { ...answer, facts: { ...answer.facts, raised: false } };
  });
}

async function askDeletedKey(probe: Probe): Promise<(Answer | NoAnswerError)[]> {
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
      async () => !has(await keys.list(signal), key),
    ],
    signal,
  );
  return timings.map((timing, index) => {
    if (index < 2 && !wasAccepted.accepted) {
      return new NoAnswerError(`the token was refused before (${describe(wasAccepted)})`);
    }
    return orError(() =>
      timingAnswer(timing, NOTHING_TO_SET, index < 2 ? "a low maxTtlSeconds" : NOTHING_TO_SET),
    );
  });
}

async function askLimit(probe: Probe): Promise<Answer> {
  if (!probe.fill) throw new NoAnswerError("asked only with --fill");
  const { keys, given, connection, signal } = probe;
  const made = new Set<string>();
  while (made.size < MAX_FILL) {
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
      // Each has a current key, and during a rotation a pending and a superseded one.
      `at most ${Math.floor(limit / 3)} serviceAccounts for this account`,
      { limit, ...replyFacts(created) },
    );
  }
  return answered(`more than ${made.size}`, NOTHING_TO_SET, { limitIsOver: made.size });
}

function has(list: readonly ListedKey[], { keyId }: ThrowAwayKey): boolean {
  return list.some((listed) => listed.keyId === keyId);
}

function orError(run: () => Answer): Answer | NoAnswerError {
  try {
    return run();
  } catch (error) {
    if (error instanceof NoAnswerError) return error;
    throw error;
  }
}
