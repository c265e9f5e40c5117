import { describe, expect, it } from "vitest";
import { runVoxtoken } from "../fakes/voxtoken.ts";
import { fakeIo } from "../fakes/io.ts";

describe("voxtoken", () => {
  it("prints help on stdout and exits with 0 when asked for it", async () => {
    const io = fakeIo();
    expect(await runVoxtoken(["--help"], io)).toBe(0);
    expect(io.out()).toContain("Usage: voxtoken");
    expect(
      io
        .out()
        .split("\n")
        .filter((line) => line.length > 80),
    ).toEqual([]);
    expect(io.err()).toBe("");
  });

  it("prints help on stderr and exits with 2 when no command is given", async () => {
    const io = fakeIo();
    expect(await runVoxtoken([], io)).toBe(2);
    expect(io.err()).toContain("Usage: voxtoken");
    expect(io.out()).toBe("");
  });

  it.each([
    [["--nonsense"], "voxtoken: unknown option '--nonsense'"],
    [["nonsense"], "voxtoken: unknown command 'nonsense'"],
  ])("reports %j in one line on stderr and exits with 2", async (args, message) => {
    const io = fakeIo();
    expect(await runVoxtoken(args, io)).toBe(2);
    expect(io.err().split("\n")[0]).toBe(message);
    expect(io.err()).toMatch(/\nhint: .+\n$/);
    expect(io.out()).toBe("");
  });

  it("prints its version", async () => {
    const io = fakeIo();
    expect(await runVoxtoken(["--version"], io)).toBe(0);
    expect(io.out()).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
