import type { Command } from "commander";
import type { Io } from "../cli/io.ts";
import { bootstrapCommand } from "./bootstrap.ts";
import { diffCommand } from "./diff.ts";
import { explainCommand } from "./explain.ts";
import { iamPolicyCommand } from "./iam-policy.ts";
import { importCommand } from "./import.ts";
import { keysCommand } from "./keys.ts";
import { lintCommand } from "./lint.ts";
import { testCommand } from "./test.ts";
import { revokeCommand } from "./revoke.ts";
import { rollbackCommand } from "./rollback.ts";
import { probeCommand } from "./probe/command.ts";
import { rotateCommand } from "./rotate.ts";

/** The commands of `voxtoken admin`, in the order of its help. */
export const operatorCommands: readonly ((io: Io) => Command)[] = [
  lintCommand,
  explainCommand,
  testCommand,
  diffCommand,
  iamPolicyCommand,
  importCommand,
  bootstrapCommand,
  rotateCommand,
  revokeCommand,
  rollbackCommand,
  keysCommand,
  probeCommand,
];
