import { randomBytes } from "node:crypto";

import * as z from "zod/mini";

import { importSigningKey } from "../../keys/signing-key.ts";
import type { Connection } from "../../voximplant/connection.ts";
import { errorCodes } from "../../voximplant/errors.ts";
import { ask, describe, NoAnswerError, pause, type Reply } from "./ask.ts";
import { WAIT_MS } from "./poll.ts";
import { askAs, type Signer } from "./signer.ts";

/** Finds the keys of an earlier run. The vendor's own keys have other names (`key-label.ts`). */
const NAME = /^vtv-probe-[0-9a-f]{12}-\d{1,4}$/;

/** A key of this run. Its private key is in memory only. */
export interface ThrowAwayKey {
  readonly name: string;
  readonly keyId: string;
  readonly signer: Signer;
  /** The form of CreateKey's result. */
  readonly shape: "object" | "array";
  /** The status of CreateKey's answer. */
  readonly httpStatus: number;
  /** When CreateKey answered. */
  readonly createdAt: number;
}

export interface ListedKey {
  readonly keyId: string;
  readonly name: string;
}

/** A key that must not be left behind. */
interface Target {
  readonly name: string;
  /** Undefined if CreateKey gave no usable answer and the key was not listed yet. */
  keyId: string | undefined;
  /**
   * Signs with this key itself. Used to delete this key if the key of the credentials file is
   * refused. Undefined if the private key is unknown.
   */
  signer?: Signer;
  /** When CreateKey was called; 0 for a key of an earlier run. */
  readonly askedAt: number;
  /** A DeleteKey succeeded. */
  deleted: boolean;
  /** The last DeleteKey was answered with "unknown key". */
  unknown: boolean;
  gone: boolean;
  /** Why the key may still exist. */
  why: string;
}

/** A key that may still exist. */
export type LeftKey = Readonly<Pick<Target, "name" | "keyId" | "why">>;

export type ThrowAwayKeys = ReturnType<typeof openThrowAwayKeys>;

const Credentials = z.looseObject({ key_id: z.string().check(z.minLength(1)), private_key: z.string() });
const Listed = z.looseObject({ key_id: z.string(), key_name: z._default(z.nullable(z.string()), null) });
const PAGE_SIZE = 100;
const MAX_PAGES = 100;

/**
 * @param given the key of the credentials file. Its tokens create, list and delete throw-away keys.
 *   The key itself is never changed.
 */
export function openThrowAwayKeys(connection: Connection, given: Signer) {
  const prefix = `vtv-probe-${randomBytes(6).toString("hex")}-`;
  const targets: Target[] = [];
  let calls = 0;

  const add = (name: string, keyId: string | undefined, askedAt: number): Target => {
    const target: Target = { name, keyId, askedAt, deleted: false, unknown: false, gone: false, why: "" };
    targets.push(target);
    return target;
  };

  /** False for the given key, whatever the name of that key is. */
  const isThrowAway = ({ keyId, name }: ListedKey) => NAME.test(name) && keyId !== given.signingKey.keyId;

  /** Lists all keys of the account, without items that cannot be read. @throws NoAnswerError */
  async function list(signal: AbortSignal, attempts?: number): Promise<ListedKey[]> {
    const keys: ListedKey[] = [];
    for (let page = 0, offset = 0; page < MAX_PAGES; page += 1) {
      const window = { count: PAGE_SIZE, offset };
      const reply = await askAs(given, connection, "GetKeys", window, { signal, attempts });
      if (!reply.accepted) throw new NoAnswerError(`GetKeys: ${describe(reply)}`);
      if (!Array.isArray(reply.result)) throw new NoAnswerError("GetKeys: the result is not a list");
      for (const item of reply.result) {
        const parsed = Listed.safeParse(item);
        if (parsed.success) keys.push({ keyId: parsed.data.key_id, name: parsed.data.key_name ?? "" });
      }
      offset += reply.result.length;
      if (reply.result.length === 0 || offset === reply.body["total_count"]) return keys;
    }
    throw new NoAnswerError(`GetKeys: the list does not end after ${MAX_PAGES} pages`);
  }

  /**
   * Creates a key without roles. An interrupt does not end the call, because the key of an aborted
   * CreateKey cannot be found until the platform lists the key.
   *
   * @param token the token that calls CreateKey
   * @returns the key, or the platform's refusal
   * @throws NoAnswerError there was no answer, but a key may exist: cleanUp looks for it
   */
  async function create(token: string): Promise<ThrowAwayKey | (Reply & { readonly accepted: false })> {
    calls += 1;
    const name = `${prefix}${calls}`;
    // Added before the call: if the answer is lost, the key is found by this name.
    const target = add(name, undefined, connection.now());
    const description = "Throw-away key of voxtoken admin probe; may be deleted at any time.";
    const parameters = { key_name: name, description };
    const reply = await ask(connection, token, "CreateKey", parameters, { repeatable: false });
    if (!reply.accepted) {
      targets.splice(targets.indexOf(target), 1);
      return reply;
    }
    const parsed = Credentials.safeParse([reply.result].flat()[0]);
    if (!parsed.success) throw new NoAnswerError("CreateKey: the result holds no key that can be read");
    const { key_id: keyId, private_key: privateKey } = parsed.data;
    target.keyId = keyId;
    const { accountId } = given.signingKey;
    const signingKey = await importSigningKey({ accountId, keyId, privateKey }).catch((cause: unknown) => {
      throw new NoAnswerError("CreateKey: the private key is not an RSA key of 2048 bits or more", { cause });
    });
    const signer = { signingKey, iss: given.iss };
    target.signer = signer;
    const shape = Array.isArray(reply.result) ? "array" : "object";
    return { name, keyId, signer, httpStatus: reply.status, shape, createdAt: connection.now() };
  }

  /**
   * Deletes one key with this token. @returns the answer, also a refusal. @throws NoAnswerError
   */
  async function deleteWith(token: string, keyId: string, signal: AbortSignal): Promise<Reply> {
    const reply = await ask(connection, token, "DeleteKey", { key_id: keyId }, { signal });
    const target = targets.find((candidate) => candidate.keyId === keyId);
    if (target !== undefined) target.deleted ||= reply.accepted;
    return reply;
  }

  /**
   * Deletes a key with a token of the given key or, if that is refused, of the key to delete.
   *
   * @returns whether the platform answered
   */
  async function tryToDelete(target: Target, signal: AbortSignal): Promise<boolean> {
    const askToDelete = (signer: Signer) =>
      askAs(signer, connection, "DeleteKey", { key_id: target.keyId }, { signal });
    try {
      let reply = await askToDelete(given);
      target.unknown = !reply.accepted && reply.code === errorCodes.invalidKeyId;
      if (!reply.accepted && !target.unknown && target.signer) reply = await askToDelete(target.signer);
      target.deleted ||= reply.accepted;
      target.why = reply.accepted ? "" : `DeleteKey: ${describe(reply)}`;
      return true;
    } catch (error) {
      target.why = reasonOf(error);
      return false;
    }
  }

  /**
   * An unlisted key is gone if a DeleteKey has succeeded, or if DeleteKey answers "unknown key" a
   * minute or more after CreateKey. Before that, the platform may not know the key yet. If the keys
   * cannot be listed, a key is gone if DeleteKey has succeeded and then answers "unknown key".
   */
  function judge(target: Target, listed: ReadonlySet<string> | undefined, whyUnlisted: string): void {
    const { keyId, deleted, unknown, askedAt } = target;
    const isOld = connection.now() - askedAt >= WAIT_MS;
    if (keyId === undefined)
      target.why = whyUnlisted || "CreateKey gave no key id, and the key is not listed";
    else if (listed === undefined) target.gone = deleted && unknown;
    else target.gone = !listed.has(keyId) && (deleted || (unknown && isOld));
    if (!target.gone) target.why ||= whyUnlisted || "it is still listed";
  }

  /** Adds a listed key to the targets, or its id to the target of the same name. */
  function adopt({ keyId, name }: ListedKey): void {
    const known = targets.find((target) => target.keyId === keyId);
    const nameless = targets.find((target) => target.keyId === undefined && target.name === name);
    if (known !== undefined) known.gone = false;
    else if (nameless !== undefined) nameless.keyId = keyId;
    else add(name, keyId, 0);
  }

  /**
   * Tries to delete all targets: once, and then again for up to a minute until all are gone.
   *
   * @returns those that may still exist
   */
  async function deleteAll(signal: AbortSignal, mayAdopt: (key: ListedKey) => boolean): Promise<Target[]> {
    let deadline: number | undefined;
    let listed: readonly ListedKey[] | undefined;
    for (let round = 0; ; round += 1) {
      const repeatsAll = listed === undefined || round % 5 === 0;
      let failures = 0;
      for (const target of targets) {
        if (target.gone || target.keyId === undefined || (target.deleted && !repeatsAll)) continue;
        // Stop after three failures in a row: a hundred of them may take more than an hour.
        if (failures === 3 || signal.aborted) break;
        failures = (await tryToDelete(target, signal)) ? 0 : failures + 1;
      }
      // Set after the first round, because a hundred keys take longer than a minute.
      deadline ??= connection.now() + WAIT_MS;
      let whyUnlisted = "";
      listed = await list(signal).catch((error: unknown) => {
        whyUnlisted = reasonOf(error);
        return undefined;
      });
      for (const key of listed ?? []) if (isThrowAway(key) && mayAdopt(key)) adopt(key);
      const ids = listed && new Set(listed.map(({ keyId }) => keyId));
      for (const target of targets) judge(target, ids, whyUnlisted);
      const left = targets.filter(({ gone }) => !gone);
      if (left.length === 0 || connection.now() >= deadline || signal.aborted) return left;
      await pause(connection, 1000, signal);
    }
  }

  return {
    list,
    create,
    deleteWith,
    /** How often CreateKey was called. */
    count: () => calls,
    /** Deletes the keys of an earlier run. @returns how many are gone. @throws NoAnswerError */
    async removeLeftovers(signal: AbortSignal): Promise<number> {
      for (const key of (await list(signal)).filter(isThrowAway)) adopt(key);
      const found = targets.length;
      return found === 0 ? 0 : found - (await deleteAll(signal, () => false)).length;
    },
    /** Deletes the keys of this run. @returns those that may still exist */
    async cleanUp(signal: AbortSignal): Promise<readonly LeftKey[]> {
      if (targets.every(({ gone }) => gone) && calls === 0) return [];
      return deleteAll(signal, ({ name }) => name.startsWith(prefix));
    },
  };
}

function reasonOf(error: unknown): string {
  return error instanceof NoAnswerError ? error.message : "unexpected error";
}
