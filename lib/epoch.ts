/**
 * Milliseconds since the epoch (1970-01-01T00:00:00Z), as `Date.now` gives them. The clock can be
 * set back, so an age computed from two such times can be negative.
 */
export type EpochMs = number;
