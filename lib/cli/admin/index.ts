import type { Command } from "commander";
import type { Io } from "../io.ts";
import { explainCommand } from "./explain.ts";
import { iamPolicyCommand } from "./iam-policy.ts";
import { lintCommand } from "./lint.ts";

/** The operator's side, in the order of `voxtoken admin --help`. One line per command. */
export const adminCommands: readonly ((io: Io) => Command)[] = [
  lintCommand,
  explainCommand,
  iamPolicyCommand,
];
