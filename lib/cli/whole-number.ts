import { InvalidArgumentError } from "commander";

/**
 * Creates the parser of an option that takes a whole number.
 *
 * @param what the error's text after "It must be"
 */
export function wholeNumber(
  least: number,
  most: number,
  what = `a whole number from ${least} to ${most}`,
): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be ${what}.`);
  };
}
