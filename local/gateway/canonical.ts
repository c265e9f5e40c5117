import { createHash } from "node:crypto";
import { getCanonicalQuery } from "@smithy/signature-v4";
import type { RawRequest } from "../exchange.ts";

/**
 * The canonical requests that a signer may have signed, most frequent first. All cover the same
 * bytes, but signers encode them differently:
 *
 * - the AWS SDKs and botocore encode the path once more and sort the query;
 * - curl (`--aws-sigv4`) takes the path and, in some versions, the query as they are.
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export function canonicalRequests(request: RawRequest, signedHeaders: readonly string[]): string[] {
  const [path = "/", query = ""] = request.target.split(/\?(.*)/s);
  const headers = signedHeaders.map((name) => `${name}:${canonicalValue(request, name)}\n`).join("");
  const payloadHash = createHash("sha256").update(request.body).digest("hex");
  const paths = new Set([encodeAgain(normalize(path)), path]);
  const queries = new Set([sortQuery(query), query]);
  return [...paths].flatMap((path) =>
    [...queries].map((query) =>
      [request.method, path, query, headers, signedHeaders.join(";"), payloadHash].join("\n"),
    ),
  );
}

/** Repeated headers are joined, and runs of blanks count as one. */
function canonicalValue(request: RawRequest, name: string): string {
  return request.headers
    .filter(([candidate]) => candidate.toLowerCase() === name)
    .map(([, value]) => value.trim().replace(/[ \t]+/g, " "))
    .join(",");
}

/** Without `.`, `..` and doubled slashes. */
function normalize(path: string): string {
  const segments: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  return `/${segments.join("/")}${segments.length > 0 && path.endsWith("/") ? "/" : ""}`;
}

function encodeAgain(path: string): string {
  return path
    .split("/")
    .map((segment) => encodeURIComponent(segment).replace(/[!'()*]/g, percent))
    .join("/");
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** Repeated parameters are all kept. `X-Amz-Signature` is left out: it cannot sign itself. */
function sortQuery(query: string): string {
  const parameters = new Map<string, string[]>();
  for (const pair of query.split("&")) {
    if (pair === "") continue;
    const [name = "", value = ""] = pair.split(/=(.*)/s).map(decode);
    parameters.set(name, [...(parameters.get(name) ?? []), value]);
  }
  return canonicalQuery(Object.fromEntries(parameters));
}

function canonicalQuery(query: Record<string, string[]>): string {
  return getCanonicalQuery({ method: "", protocol: "", hostname: "", path: "", headers: {}, query });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // Not valid percent-encoding. The text is used unchanged.
  }
}
