import { inject } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    /** Made by test/set-up.ts, once for a run. */
    rsaKeys: readonly string[];
  }
}

const keys = inject("rsaKeys");
const half = keys.length / 2;

function pemAt(index: number): string {
  const pem = keys[index];
  if (pem === undefined) throw new Error("test/set-up.ts provides no keys to this run");
  return pem;
}

/** The keys that test/key-lifecycle/world.ts gives away; none of them is returned by `rsaPem`. */
export const worldPem = (index: number): string => pemAt(half + (index % half));

let next = 0;

/** A 2048-bit private key, PEM (PKCS #8). Eight calls in a row return eight different keys. */
export function rsaPem(): string {
  return pemAt(next++ % half);
}
