/**
 * Makes a server's text safe for an error message: its first line, at most 300 characters, no
 * control characters, nothing that looks like a JWT. If the signature is wrong, API Gateway's
 * text quotes the request, with its session token, in the lines after the first.
 */
export function quotable(text: string): string {
  const [line = ""] = text.trim().split(/[\r\n]/);
  return line
    .replace(/eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?/g, "[token]")
    .replace(/\p{Cc}/gu, " ")
    .slice(0, 300)
    .trim();
}
