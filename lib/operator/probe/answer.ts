import { describe, type Reply } from "./ask.ts";
import type { Timing } from "./poll.ts";

/** The answer to one question. It contains no account, key or token. */
export interface Answer {
  readonly answer: string;
  /** What to set in grants.yml. */
  readonly set: string;
  /** The answer for programs: booleans, numbers and strings. */
  readonly facts: Readonly<Record<string, boolean | number | string>>;
}

/** A text says why there is no answer. */
export type Outcome = Answer | string;

export const NOTHING_TO_SET = "nothing";

export function answered(answer: string, set: string = NOTHING_TO_SET, facts: Answer["facts"] = {}): Answer {
  return { answer, set, facts };
}

/** The status of an answer, and the code of a refusal. */
export function replyFacts(reply: Reply): Answer["facts"] {
  return {
    accepted: reply.accepted,
    httpStatus: reply.status,
    ...(!reply.accepted && { errorCode: reply.code }),
  };
}

export function timingAnswer(timing: Timing, settled: string, notSettled: string): Outcome {
  switch (timing.kind) {
    case "unanswered":
      return timing.why;
    case "not settled":
      return answered("not within 60 s", notSettled, { settled: false });
    case "settled": {
      const seconds = Math.max(0.1, Math.ceil(timing.afterMs / 100) / 10);
      const relapses = timing.relapses === 0 ? "" : ` (changed back: ${timing.relapses})`;
      return answered(`within ${seconds} s${relapses}`, settled, {
        settled: true,
        afterSeconds: seconds,
        relapses: timing.relapses,
      });
    }
  }
}

export function replyAnswer(reply: Reply, documentedCode?: number): Answer {
  if (reply.accepted) return answered(`accepted (${describe(reply)})`, NOTHING_TO_SET, replyFacts(reply));
  const isAsDocumented = documentedCode === undefined || reply.code === documentedCode;
  const note = isAsDocumented ? "" : ` (documented: ${documentedCode})`;
  return answered(`${describe(reply)}${note}`, NOTHING_TO_SET, replyFacts(reply));
}
