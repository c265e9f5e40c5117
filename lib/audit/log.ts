import type { EpochMs } from "../epoch.ts";

export type LogLevel = "info" | "warn" | "error";

/** Writes one operational log line. Never pass a token, a key, or text that may hold one. */
export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void;

/** Writes one line of text, given without its line feed. Throws if it cannot. */
export type WriteLine = (line: string) => void;

/**
 * Writes lines to a stream. The Lambda functions pass stdout, and not Lambda's console, which adds
 * to a line and can filter lines by level. Node writes synchronously to pipes and files, but
 * reports a failure as a later event, when the answer may already be sent. So this checks the
 * stream's state after each line.
 *
 * @see https://nodejs.org/api/process.html#a-note-on-process-io
 */
export function writeLinesTo(stream: Pick<NodeJS.WriteStream, "write" | "errored">): WriteLine {
  return (line) => {
    stream.write(`${line}\n`);
    if (stream.errored) throw stream.errored;
  };
}

/**
 * Writes log lines as JSON, with the field names of Powertools for AWS Lambda, so that the usual
 * queries find them. Powertools' Logger is not used: it adds about 16 ms to each cold start.
 */
export function jsonLog(write: WriteLine, now: () => EpochMs): Log {
  return (level, message, fields) => {
    write(JSON.stringify({ level, message, timestamp: new Date(now()).toISOString(), ...fields }));
  };
}
