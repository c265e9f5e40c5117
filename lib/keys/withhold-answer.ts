/**
 * An error of the AWS SDK that is safe to tell. Where an answer is no JSON, V8's message quotes the text around the fault
 * and the SDK hangs the whole answer on the error: of a secret, that text is the key. Every other error is passed on.
 */
export function withholdAnswer(error: unknown): unknown {
  return error instanceof Error && error.name === "SyntaxError" ? new Error("the answer is not JSON") : error;
}
