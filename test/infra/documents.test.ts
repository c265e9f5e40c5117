import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const read = (file: string) => readFileSync(join(root, file), "utf8");
const documents = [
  ...["README.md", "SECURITY.md", "CHANGELOG.md", "local/README.md"],
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** The anchors of a page's headings, as GitHub makes them. */
const anchorsOf = (text: string) =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^a-z0-9 _-]/g, "")
      .replaceAll(" ", "-"),
  );

/** Links to a heading that does not exist. */
function brokenLinks(file: string, text: string): string[] {
  const links = [...text.matchAll(/\]\(([^)#\s:]*)#([^)\s]+)\)/g)];
  return links.flatMap(([link, page = "", anchor = ""]) => {
    const target = page === "" ? text : read(relative(root, resolve(root, dirname(file), page)));
    return anchorsOf(target).includes(anchor) ? [] : [link];
  });
}

describe("the documentation", () => {
  it.each(documents)("%s links to headings that exist", (file) => {
    expect(brokenLinks(file, read(file))).toEqual([]);
  });

  it("are linked by their headings in the code, in messages and in comments", () => {
    const sources = ["lib", "infra", "functions"].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".ts"))
        .map((file) => readFileSync(join(root, folder, file), "utf8")),
    );
    const links = sources.flatMap((text) => [
      ...[...text.matchAll(/docs\/([a-z-]+\.md#[a-z-]+)/g)].map(([, link = ""]) => link),
      ...[...text.matchAll(/runbook: "([a-z-]+)"/g)].map(([, anchor = ""]) => `runbook.md#${anchor}`),
    ]);
    expect(links.length).toBeGreaterThan(10);
    expect(links.flatMap((link) => brokenLinks("docs/keys.md", `[x](${link})`))).toEqual([]);
  });

  it("would fail this test if a link pointed to a heading that does not exist", () => {
    expect(brokenLinks("docs/keys.md", "[x](runbook.md#no-such-heading)")).toHaveLength(1);
  });

  it("explains the states of keys in the order in which `voxtoken admin keys` prints them", () => {
    const [, help = ""] = /States, problems first:\n([^`]+)`/.exec(read("lib/operator/keys.ts")) ?? [];
    const printed = [...help.matchAll(/^ {2}([a-z]+) /gm)].map(([, state]) => state);
    const explained = [...read("docs/keys.md").matchAll(/^\| `([a-z]+)` +\|/gm)].map(([, state]) => state);
    expect(printed.length).toBeGreaterThan(5);
    expect(explained).toEqual(printed);
  });
});
