/**
 * The partitions of AWS, as ARNs and host names show them.
 * https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
 */

/** A partition, for a regular expression. Any name of this form counts: AWS adds partitions. */
export const PARTITION = "aws(?:-[a-z]+)*";

/** A region, for a regular expression: `eu-west-1`, `us-gov-west-1`, `eusc-de-east-1`. */
export const REGION = "[a-z]{2,}(?:-[a-z]+)+-[0-9]+";

/** The partitions that exist, with the suffixes of their host names (IPv4, dual-stack). */
export const hostSuffixes: Readonly<Record<string, readonly string[]>> = {
  aws: ["amazonaws.com", "api.aws"],
  "aws-cn": ["amazonaws.com.cn", "api.amazonwebservices.com.cn"],
  "aws-eusc": ["amazonaws.eu", "api.amazonwebservices.eu"],
  "aws-iso": ["c2s.ic.gov", "api.aws.ic.gov"],
  "aws-iso-b": ["sc2s.sgov.gov", "api.aws.scloud"],
  "aws-iso-e": ["cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"],
  "aws-iso-f": ["csp.hci.ic.gov", "api.aws.hci.ic.gov"],
  "aws-us-gov": ["amazonaws.com", "api.aws"],
};
