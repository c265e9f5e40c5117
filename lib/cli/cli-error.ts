/** How every command ends, for scripts to act on. */
export const EXIT = {
  ok: 0,
  /** Something on the way failed: the network, the function, the platform, this machine. */
  failure: 1,
  /** The command line is wrong; nothing was tried. */
  usage: 2,
  /** Somebody said no: IAM, the grants, or the platform. Trying again will not help. */
  denied: 3,
  /** `admin diff`: the files differ. */
  different: 4,
} as const;

/**
 * A command's failure. The message is one line, says what is wrong, and never holds a key or a
 * token. The hint says what to do. Only `runProgram` prints them, on stderr. With an empty message
 * nothing is printed: whoever failed (the help, a child process) has spoken already.
 *
 * @param exitStatus one of {@link EXIT}; `exec` passes its child's on
 */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitStatus: number;
  readonly hint: string | undefined;

  constructor(message: string, exitStatus: number, hint?: string, options?: ErrorOptions) {
    super(message, options);
    this.exitStatus = exitStatus;
    this.hint = hint;
  }
}
