import type { EpochMs } from "../epoch.ts";

const DAY = /^\d{4}-\d\d-\d\d$/;
/** RFC 3339 §5.6, with capital letters, seconds optional, and at most milliseconds. */
const TIME =
  /^(\d{4}-\d\d-\d\d)T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,3})?)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

/**
 * The moment from which a grant with this `until` is over: the end of its last day in UTC, or a
 * time with its offset. Undefined if the text is neither.
 */
export function parseUntil(text: string): EpochMs | undefined {
  const midnight = startOfDay(text);
  return midnight === undefined ? parseTime(text) : midnight + 86_400_000;
}

/** A time with its offset, `2026-12-31T18:00:00+01:00`. Undefined if the text is none. */
export function parseTime(text: string): EpochMs | undefined {
  const day = TIME.exec(text)?.[1];
  return day === undefined || startOfDay(day) === undefined ? undefined : Date.parse(text);
}

function startOfDay(text: string): EpochMs | undefined {
  if (!DAY.test(text)) return undefined;
  const midnight = new Date(`${text}T00:00:00Z`);
  if (Number.isNaN(midnight.getTime())) return undefined;
  // Date reads the 31st of February as a day in March.
  return midnight.toISOString().startsWith(text) ? midnight.getTime() : undefined;
}

/** `2026-12-31T00:00:00Z` */
export function formatTime(time: EpochMs): string {
  return new Date(time).toISOString().replace(".000Z", "Z");
}

/** As in a file: the last day, `2026-12-31`, or a time. */
export function formatUntil(until: EpochMs): string {
  const isDay = until % 86_400_000 === 0;
  return isDay ? new Date(until - 1).toISOString().slice(0, 10) : formatTime(until);
}
