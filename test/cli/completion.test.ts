import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { runVoxtoken } from "../fakes/voxtoken.ts";
import { fakeIo } from "../fakes/io.ts";

async function script(shell: string): Promise<string> {
  const io = fakeIo();
  expect(await runVoxtoken(["completion", shell], io)).toBe(0);
  return io.out();
}

describe("voxtoken completion", () => {
  it.each([
    ["", ["token", "exec", "api", "whoami", "doctor", "completion", "admin"]],
    ["wh", ["whoami"]],
    ["token --no", ["--no-cache"]],
    ["api call-history --api", ["--api-url"]],
    ["admin li", ["lint"]],
  ])("completes %j in bash", async (line, expected) => {
    const words = ["voxtoken", ...line.split(" ")];
    const ask = `${await script("bash")}
      COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}
      _voxtoken; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const offered = execFileSync("bash", ["-c", ask], { encoding: "utf8" }).trim().split("\n");
    expect(offered).toEqual(expect.arrayContaining(expected));
    if (line !== "") expect(offered).toHaveLength(expected.length);
  });

  it("completes in zsh through bashcompinit", async () => {
    expect(await script("zsh")).toContain("bashcompinit\n_voxtoken()");
  });

  it("prints one line with a description for each word in fish", async () => {
    const lines = (await script("fish")).split("\n");
    expect(lines).toContain(
      "complete -c voxtoken -n '__fish_use_subcommand' -f -a whoami -d 'show your identity as the vendor sees it, and what you may request'",
    );
    expect(
      lines.some((line) => line.includes("__fish_seen_subcommand_from admin") && line.includes("-a lint")),
    ).toBe(true);
  });

  it("exits with 2 for any other shell", async () => {
    expect(await runVoxtoken(["completion", "tcsh"], fakeIo())).toBe(2);
  });
});
