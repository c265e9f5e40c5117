import type { Io } from "../../lib/cli/io.ts";

/** A command's surroundings in a test: what it wrote can be read back. */
export function fakeIo(given: Partial<Io> & { input?: string } = {}): Io & { out(): string; err(): string } {
  const { input = "", ...overrides } = given;
  const written = { out: "", err: "" };
  return {
    stdin: {
      isTerminal: false,
      async *[Symbol.asyncIterator]() {
        yield await Promise.resolve(input);
      },
    },
    stdout: { isTerminal: false, write: (text) => void (written.out += text) },
    stderr: { isTerminal: false, write: (text) => void (written.err += text) },
    env: {},
    fetch: () => Promise.reject(new Error("This test has no network.")),
    now: () => Date.UTC(2026, 10, 24, 12),
    monotonic: () => performance.now(),
    sleep: () => Promise.resolve(),
    homeDirectory: "/nonexistent",
    userId: process.getuid?.(),
    runChild: () => Promise.reject(new Error("This test runs no child.")),
    ...overrides,
    out: () => written.out,
    err: () => written.err,
  };
}
