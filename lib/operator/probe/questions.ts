import { randomUUID } from "node:crypto";

import { errorCodes } from "../../voximplant/errors.ts";
import type { Answer, Outcome } from "./answer.ts";
import { askDeletedKey, askLimit, askNewKey, askShape } from "./questions-about-keys.ts";
import { askCreate, askDelete, askRaise, askUpdate } from "./questions-about-roles.ts";
import { askChild, askClaims, askIss, askRefusal } from "./questions-about-tokens.ts";
import type { Probe } from "./with-key.ts";

export interface Question {
  readonly id: string;
  readonly text: string;
}

/** Questions that are answered together. */
export interface Step {
  readonly doing: string;
  readonly questions: readonly Question[];
  /**
   * Resolves to one outcome for each question, in the same order.
   *
   * @throws NoAnswerError no question of the step has an answer
   */
  readonly run: (probe: Probe) => Promise<readonly Outcome[]>;
}

function question(id: string, text: string, doing: string, run: (probe: Probe) => Promise<Answer>): Step {
  return { doing, questions: [{ id, text }], run: async (probe) => [await run(probe)] };
}

export const steps: readonly Step[] = [
  question("create_key_result", "CreateKey returns", "creating a throw-away key", askShape),
  {
    doing: "waiting for the new key (60 s at most)",
    questions: [
      { id: "new_key_signs", text: "New key: token accepted" },
      { id: "new_key_found", text: "New key: found by its id" },
      { id: "new_key_listed", text: "New key: listed" },
    ],
    run: askNewKey,
  },
  question("iss", "iss: a number, a string", "trying iss as a number and as a string", askIss),
  question("claims", "sub and jti accepted", "trying the claims sub and jti", askClaims),
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
  question("child", "iss: a child account", "trying iss of a child account", askChild),
  question("roleless_create", "No role: CreateKey", "calling CreateKey without a role", askCreate),
  question("roleless_update", "No role: UpdateKey", "calling UpdateKey without a role", askUpdate),
  question("roleless_delete", "No role: DeleteKey", "calling DeleteKey without a role", askDelete),
  question("roleless_set_roles", "No role: SetKeyRoles", "calling SetKeyRoles without a role", askRaise),
  {
    doing: "waiting for the deletion to take effect (60 s at most)",
    questions: [
      { id: "deleted_old_token", text: "Deleted: old token refused" },
      { id: "deleted_new_token", text: "Deleted: new token refused" },
      { id: "deleted_unlisted", text: "Deleted: key unlisted" },
    ],
    run: askDeletedKey,
  },
  question("key_limit", "Keys per account", "creating keys until the account is full", askLimit),
];
