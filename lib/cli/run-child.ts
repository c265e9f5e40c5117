import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import type { Environment } from "../environment.ts";

/**
 * Runs a command as a child process with the same streams, and passes signals on to the child.
 *
 * @returns the exit status as in a shell: 128 plus the signal's number if a signal ended it
 * @throws the error of `spawn` if it cannot be started
 */
export type RunChild = (command: string, args: readonly string[], env: Environment) => Promise<number>;

const PASSED_ON = [
  "SIGTERM",
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGWINCH",
  "SIGCONT",
] as const;

/** The terminal sends these to its whole foreground group, so the child gets them too. */
const SENT_BY_TERMINAL: readonly string[] = ["SIGINT", "SIGQUIT"];

/** Any stream may be the terminal: in `prog < file`, stdin is not. */
const hasTerminal = ({ stdin, stdout, stderr }: NodeJS.Process) =>
  [stdin, stdout, stderr].some(({ isTTY }) => isTTY);

export function childRunner(parent: NodeJS.Process): RunChild {
  return async (command, args, env) => {
    let child: ChildProcess;
    const passOn = (signal: NodeJS.Signals) => {
      if (!(hasTerminal(parent) && SENT_BY_TERMINAL.includes(signal))) child.kill(signal);
    };
    // Listen first: otherwise a signal right after the start would end this process but not the
    // child.
    for (const signal of PASSED_ON) parent.on(signal, passOn);
    try {
      child = spawn(command, args, { stdio: "inherit", env: env as NodeJS.ProcessEnv });
      return await new Promise<number>((resolve, reject) => {
        child.once("error", reject);
        child.once("exit", (status, signal) => {
          resolve(signal === null ? (status ?? 1) : 128 + constants.signals[signal]);
        });
      });
    } finally {
      for (const signal of PASSED_ON) parent.off(signal, passOn);
    }
  };
}
