import type { Parameters } from "../../voximplant/call.ts";
import type { Connection } from "../../voximplant/connection.ts";
import { ask, describe, NoAnswerError, type Reply } from "./ask.ts";
import { askAs, type Signer, signPlain } from "./signer.ts";
import type { ThrowAwayKey, ThrowAwayKeys } from "./throw-away-keys.ts";

/** The context of the questions, and the keys that they share. */
export interface Probe {
  readonly connection: Connection;
  readonly given: Signer;
  readonly keys: ThrowAwayKeys;
  readonly signal: AbortSignal;
  readonly fill: boolean;
  readonly child: number | undefined;
  /** The throw-away key that most questions are about. */
  key?: ThrowAwayKey;
  /** Another throw-away key. A question tries to delete this key with a token of `key`. */
  other?: ThrowAwayKey;
  /**
   * False if tokens of `key` were not accepted within 60 s. Refusals are then not answers.
   */
  isKeyAccepted?: boolean;
}

/** Tries a token with the one method that every key may call. */
export async function tryToken(probe: Probe, token: string, attempts?: number): Promise<Reply> {
  const { connection, signal } = probe;
  return ask(connection, token, "GetAccountInfo", {}, { signal, attempts });
}

export async function askAsGiven(
  probe: Probe,
  method: string,
  parameters: Parameters = {},
  attempts?: number,
): Promise<Reply> {
  const { given, connection, signal } = probe;
  return askAs(given, connection, method, parameters, { signal, attempts });
}

export function newKey({ key }: Probe): ThrowAwayKey {
  if (key === undefined) throw new NoAnswerError("there is no throw-away key");
  return key;
}

/**
 * Runs a question with the throw-away key, and then tries a token with only the required claims.
 * If the platform refuses that token, the result of the question is not an answer.
 */
export async function withAcceptedKey<T>(probe: Probe, run: (key: ThrowAwayKey) => Promise<T>): Promise<T> {
  const key = newKey(probe);
  if (probe.isKeyAccepted === false) throw new NoAnswerError("the new key was not accepted within 60 s");
  const result = await run(key);
  const control = await tryToken(probe, await signPlain(key.signer, probe.connection.now()));
  if (control.accepted) return result;
  throw new NoAnswerError(`a plain token of the throw-away key is refused too (${describe(control)})`);
}

/** @throws NoAnswerError the platform refuses */
export async function makeKey({ keys, given, connection }: Probe): Promise<ThrowAwayKey> {
  const created = await keys.create(await signPlain(given, connection.now()));
  if ("accepted" in created) throw new NoAnswerError(`CreateKey: ${describe(created)}`);
  return created;
}
