export type LogLevel = "info" | "warn" | "error";

/** Writes one operational log line. Never passed a token, a key, or a value that may hold one. */
export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void;

/** Writes one line of text, without its line feed, and has written it when it returns. */
export type WriteLine = (line: string) => void;

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
