import { randomBytes } from "node:crypto";

import * as z from "zod/mini";

import { importSigningKey } from "../../keys/signing-key.ts";
import type { Connection, Parameters } from "../../voximplant/call.ts";
import { errorCodes } from "../../voximplant/errors.ts";
import { ask, describe, NoAnswerError, pause, type Reply } from "./ask.ts";
import { WAIT_MS } from "./poll.ts";
import { type Signer, signPlain } from "./signer.ts";

/**
 * By this a run finds what an earlier one left behind; no key of the vendor's own looks like it
 * (`key-label.ts`).
 */
const NAME = /^vtv-probe-[0-9a-f]{12}-\d{1,4}$/;

/**
 * Made by this run. Its private key is kept in memory only, and cannot be read back out of the
 * signer.
 */
export interface ThrowAwayKey {
  readonly name: string;
  readonly keyId: string;
  readonly signer: Signer;
  readonly shape: "object" | "array";
  /** Of the answer to CreateKey. */
  readonly httpStatus: number;
  /** When CreateKey answered. */
  readonly createdAt: number;
}

/** A key that may still exist, and why that is not known better. */
export interface LeftKey {
  readonly name: string;
  /** Absent where CreateKey gave no answer. */
  readonly keyId?: string;
  readonly why: string;
}

export interface ListedKey {
  readonly keyId: string;
  readonly name: string;
}

export interface ThrowAwayKeys {
  /** How many this run has asked for. */
  count(): number;
  /** All keys of the account, an item that cannot be read left out. @throws NoAnswerError */
  list(signal: AbortSignal, attempts?: number): Promise<ListedKey[]>;
  /**
   * Makes a key without roles. It is never interrupted: a key whose CreateKey was broken off could
   * not be found before the platform lists it.
   *
   * @param token whose right to call CreateKey is used
   * @returns the key, or the platform's refusal
   * @throws NoAnswerError there was none; a key may have been made all the same, and cleaning up
   *   looks for it
   */
  create(token: string): Promise<ThrowAwayKey | (Reply & { readonly accepted: false })>;
  /**
   * Deletes one key of this run with that token, once: the answer is what is wanted. @throws
   * NoAnswerError
   */
  deleteWith(token: string, keyId: string, signal: AbortSignal): Promise<Reply>;
  /** Deletes what an earlier run left behind. @throws NoAnswerError the keys cannot be listed */
  removeLeftovers(signal: AbortSignal): Promise<{ removed: number }>;
  /**
   * Deletes all keys of this run and returns those whose deletion is not certain. Takes 60 s or a
   * little more at most.
   */
  cleanUp(signal: AbortSignal): Promise<LeftKey[]>;
}

interface Target {
  readonly name: string;
  keyId: string | undefined;
  /** Of a key of this run: the last resort where the given key may not delete it. */
  signer?: Signer;
  /** When it was asked for; 0 for a key of an earlier run. */
  readonly askedAt: number;
  /** The platform answered DeleteKey with a result. */
  deleted: boolean;
  /** The platform knew no such key at the last DeleteKey. */
  unknown: boolean;
  gone: boolean;
  why: string;
}

const Credentials = z.looseObject({ key_id: z.string().check(z.minLength(1)), private_key: z.string() });
const Listed = z.looseObject({ key_id: z.string(), key_name: z._default(z.nullable(z.string()), null) });
const PAGE_SIZE = 100;
const MAX_PAGES = 100;

/**
 * @param given the key of the credentials file: it makes, lists and deletes, and is itself never
 * changed
 */
export function openThrowAwayKeys(connection: Connection, given: Signer): ThrowAwayKeys {
  const prefix = `vtv-probe-${randomBytes(6).toString("hex")}-`;
  const targets: Target[] = [];
  let asked = 0;

  const askAsGiven = async (
    method: string,
    parameters: Parameters,
    signal: AbortSignal,
    attempts?: number,
  ) => {
    const token = await signPlain(given, connection.now());
    return ask(connection, token, method, parameters, { signal, ...(attempts && { attempts }) });
  };

  const add = (name: string, keyId: string | undefined, askedAt: number): Target => {
    const target: Target = { name, keyId, askedAt, deleted: false, unknown: false, gone: false, why: "" };
    targets.push(target);
    return target;
  };

  /** Never the given key, whatever its name is. */
  const isThrowAway = ({ keyId, name }: ListedKey) => NAME.test(name) && keyId !== given.signingKey.keyId;

  async function list(signal: AbortSignal, attempts?: number): Promise<ListedKey[]> {
    const keys: ListedKey[] = [];
    for (let page = 0, offset = 0; page < MAX_PAGES; page += 1) {
      const reply = await askAsGiven("GetKeys", { count: PAGE_SIZE, offset }, signal, attempts);
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

  async function create(token: string): ReturnType<ThrowAwayKeys["create"]> {
    asked += 1;
    const name = `${prefix}${asked}`;
    // Before the call: should its answer get lost, the key is found by this name.
    const target = add(name, undefined, connection.now());
    const reply = await ask(
      connection,
      token,
      "CreateKey",
      { key_name: name, description: "Throw-away key of voxtoken admin probe; may be deleted at any time." },
      { repeatable: false },
    );
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
    target.signer = { signingKey, iss: given.iss };
    return {
      name,
      keyId,
      signer: target.signer,
      httpStatus: reply.status,
      shape: Array.isArray(reply.result) ? "array" : "object",
      createdAt: connection.now(),
    };
  }

  /** @returns whether the platform answered */
  async function deleteOne(target: Target, signal: AbortSignal): Promise<boolean> {
    const { keyId, signer } = target;
    const askAs = async (caller: Signer) =>
      ask(connection, await signPlain(caller, connection.now()), "DeleteKey", { key_id: keyId }, { signal });
    try {
      let reply = await askAs(given);
      const isUnknown = !reply.accepted && reply.code === errorCodes.invalidKeyId;
      if (!reply.accepted && !isUnknown && signer !== undefined) reply = await askAs(signer);
      target.deleted ||= reply.accepted;
      target.unknown = isUnknown;
      target.why = reply.accepted ? "" : `DeleteKey: ${describe(reply)}`;
      return true;
    } catch (error) {
      target.why = reasonOf(error);
      return false;
    }
  }

  /**
   * A key is gone when the platform has answered DeleteKey and no longer lists it. Error 433 alone
   * says little about a key younger than a minute: the platform may not know it yet. Where the keys
   * cannot be listed, error 433 after an answered DeleteKey has to do.
   */
  async function remove(signal: AbortSignal, mayAdopt: (key: ListedKey) => boolean): Promise<Target[]> {
    let started: number | undefined;
    let listed: ListedKey[] | undefined;
    for (let round = 0; ; round += 1) {
      let failures = 0;
      for (const target of targets) {
        if (target.gone || target.keyId === undefined || signal.aborted) continue;
        // The platform is out of reach: a time-out for each of a hundred keys would take hours.
        if (failures === 3) break;
        if (target.deleted && listed !== undefined && round % 5 !== 0) continue;
        failures = (await deleteOne(target, signal)) ? 0 : failures + 1;
      }
      // A hundred keys take longer than that to delete.
      started ??= connection.now();
      let whyUnlisted = "";
      listed = await list(signal).catch((error: unknown) => {
        whyUnlisted = reasonOf(error);
        return undefined;
      });
      for (const key of listed ?? []) if (isThrowAway(key) && mayAdopt(key)) adopt(key);
      const ids = listed && new Set(listed.map(({ keyId }) => keyId));
      for (const target of targets) {
        const isOld = connection.now() - target.askedAt >= WAIT_MS;
        const { keyId, deleted, unknown } = target;
        if (keyId === undefined)
          target.why = whyUnlisted || "CreateKey was not answered, and it is not listed";
        else if (ids === undefined) target.gone = deleted && unknown;
        else target.gone = !ids.has(keyId) && (deleted || (unknown && isOld));
        if (!target.gone && target.why === "") target.why = whyUnlisted || "it is still listed";
      }
      const left = targets.filter(({ gone }) => !gone);
      if (left.length === 0 || connection.now() - started >= WAIT_MS || signal.aborted) return left;
      await pause(connection, 1000, signal);
    }
  }

  function adopt({ keyId, name }: ListedKey): void {
    const known = targets.find((target) => target.keyId === keyId);
    const nameless = targets.find((target) => target.keyId === undefined && target.name === name);
    if (known !== undefined) known.gone = false;
    else if (nameless !== undefined) nameless.keyId = keyId;
    else add(name, keyId, 0);
  }

  return {
    count: () => asked,
    list,
    create,
    async deleteWith(token, keyId, signal) {
      const reply = await ask(connection, token, "DeleteKey", { key_id: keyId }, { signal });
      const target = targets.find((candidate) => candidate.keyId === keyId);
      if (target !== undefined) target.deleted ||= reply.accepted;
      return reply;
    },
    async removeLeftovers(signal) {
      for (const key of (await list(signal)).filter(isThrowAway)) adopt(key);
      const found = targets.length;
      if (found === 0) return { removed: 0 };
      const left = await remove(signal, () => false);
      return { removed: found - left.length };
    },
    async cleanUp(signal) {
      if (targets.every(({ gone }) => gone) && asked === 0) return [];
      const left = await remove(signal, ({ name }) => name.startsWith(prefix));
      return left.map(({ name, keyId, why }) => ({ name, why, ...(keyId !== undefined && { keyId }) }));
    },
  };
}

function reasonOf(error: unknown): string {
  return error instanceof NoAnswerError ? error.message : "unexpected error";
}
