/** The exit status of every command. */
export const EXIT = {
  ok: 0,
  /** The network, the function, the platform or this machine failed. */
  failure: 1,
  /** The command line, or the request made from it, is wrong. */
  usage: 2,
  /** IAM, the grants or the platform refused. Trying again does not help. */
  denied: 3,
  /** `admin diff`: the files differ. */
  different: 4,
} as const;

/**
 * A command's failure. The message is one line, says what is wrong, and never holds a key or a
 * token. The hint says what to do. `runProgram` prints both on stderr. An empty message is not
 * printed: the help, the command or its child process has already printed the reason.
 *
 * @param exitStatus one of {@link EXIT}; for `exec`, the status of its child
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
