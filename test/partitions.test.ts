import { partition } from "@aws-sdk/core/client";
import { expect, it } from "vitest";
import { hostSuffixes, PARTITION, REGION } from "../lib/partitions.ts";

const regions = {
  aws: ["eu-west-1", "ap-southeast-7"],
  "aws-cn": ["cn-north-1"],
  "aws-eusc": ["eusc-de-east-1"],
  "aws-iso": ["us-iso-east-1"],
  "aws-iso-b": ["us-isob-east-1"],
  "aws-iso-e": ["eu-isoe-west-1"],
  "aws-iso-f": ["us-isof-south-1"],
  "aws-us-gov": ["us-gov-west-1"],
};

it("the partitions are those of the AWS SDK's regions, and no others", () => {
  expect(Object.keys(hostSuffixes)).toEqual(Object.keys(regions));
});

it.each(Object.entries(regions))("the SDK and lib/partitions.ts agree about %s", (name, ofIt) => {
  expect(name).toMatch(new RegExp(`^${PARTITION}$`));
  for (const region of ofIt) {
    expect(region).toMatch(new RegExp(`^${REGION}$`));
    const { dnsSuffix, dualStackDnsSuffix, ...known } = partition(region);
    expect(known).toMatchObject({ name });
    expect(hostSuffixes[name]).toEqual([dnsSuffix, dualStackDnsSuffix]);
  }
});
