export const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;

/**
 * The median of the ratios of neighbours, rather than the ratio of medians: both runs of a pair met
 * the same load.
 */
export const ratio = (values: readonly number[], baseline: readonly number[]) =>
  median(values.map((value, round) => value / (baseline[round] ?? NaN)));
