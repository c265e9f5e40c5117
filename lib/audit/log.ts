export type LogLevel = "info" | "warn" | "error";

/** Writes one operational log line. Never passed a token, a key, or a value that may hold one. */
export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void;

/** Writes one line of text, given without its line feed. Has written it when it returns; throws where it cannot. */
export type WriteLine = (line: string) => void;

/**
 * Lines to stdout: not by way of Lambda's console, which would add to the line and could filter it by level. Pipes and files are
 * written synchronously, but a failure is an event that comes later, when an answer may have left: so the state is looked at.
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
 * Log lines as JSON, with the field names of Powertools for AWS Lambda, so that the usual queries find them.
 *
 * Its Logger itself is not used: it would add about 16 ms to each cold start and a quarter of a signature to each call,
 * for what are four lines here.
 */
export function jsonLog(write: WriteLine, now: () => number): Log {
  return (level, message, fields) => {
    write(JSON.stringify({ level, message, timestamp: new Date(now()).toISOString(), ...fields }));
  };
}
