import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { weaknesses } from "./weaknesses.ts";

const root = resolve(import.meta.dirname, "../..");
const read = (file: string) => readFileSync(join(root, file), "utf8");

/** `npm run weaknesses` plants them, which takes minutes. */
describe("the weaknesses that are planted", () => {
  it("are fifteen different ones", () => {
    expect(new Set(weaknesses.map(({ name }) => name)).size).toBe(15);
  });

  it.each(weaknesses)("can still be planted: $name", ({ file, changes }) => {
    for (const [from] of changes) expect(read(file).split(from)).toHaveLength(2);
  });

  it.each(weaknesses)("each name a test that exists: $name", ({ caughtBy: { file, title } }) => {
    expect(read(file)).toContain(JSON.stringify(title));
  });
});
