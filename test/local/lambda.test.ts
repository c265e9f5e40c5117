import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { TIMEOUTS_MS } from "../../local/lambda/functions.ts";
import { describeWith } from "../infra/describe.ts";
import { FunctionError, type LambdaFunction, startFunction } from "../../local/lambda/function.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lambda-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

let running: LambdaFunction | undefined;
afterEach(() => running?.close());

let lines: string[];
let ends: number;

async function start(source: string, timeoutMs?: number): Promise<LambdaFunction> {
  lines = [];
  ends = 0;
  const bundle = join(folder, `${String(Math.random()).slice(2)}.mjs`);
  await writeFile(bundle, source);
  running = await startFunction({
    name: "sample",
    bundle,
    env: { GIVEN: "by the test" },
    onLine: (line) => lines.push(line),
    onEnd: () => (ends += 1),
    ...(timeoutMs !== undefined && { timeoutMs }),
  });
  return running;
}

it("the local functions have the time-outs of the deployed ones", () => {
  const { callFunctions, keyFunctions } = describeWith();
  const deployed = Object.values({ ...callFunctions, ...keyFunctions }).map(({ name, timeout }) => [
    name.replace(/^.*-dev-/, ""),
    timeout * 1000,
  ]);
  expect(TIMEOUTS_MS).toEqual(Object.fromEntries(deployed));
});

describe("a function in the local Lambda", () => {
  it("receives a copy of the event and Lambda's context, and its answer is serialised as JSON", async () => {
    const { invoke } = await start(`
      export const handler = async (event, context) => {
        event.changed = true;
        return { event, name: context.functionName, left: context.getRemainingTimeInMillis() > 0, lost: undefined };
      };
    `);
    const event = { a: 1 };
    expect(await invoke(event)).toEqual({ event: { a: 1, changed: true }, name: "sample", left: true });
    expect(event).toEqual({ a: 1 });
  });

  it("keeps its state between calls, as a warm process does", async () => {
    const { invoke } = await start("let n = 0; export const handler = async () => ++n;");
    expect([await invoke({}), await invoke({})]).toEqual([1, 2]);
  });

  it("has its own environment, without variables of this process", async () => {
    const { invoke } = await start("export const handler = async () => process.env;");
    expect(await invoke({})).toEqual({ GIVEN: "by the test" });
  });

  it("writes its log lines before its answer arrives", async () => {
    const { invoke } = await start(`
      export const handler = async () => { console.log("one"); process.stdout.write("t"); process.stdout.write("wo\\n"); };
    `);
    await invoke({});
    expect(lines).toEqual(["one", "two"]);
  });

  it("fails a call by throwing, and keeps running", async () => {
    const { invoke } = await start(
      "export const handler = async ({ a }) => { if (a) return a; throw new Error('no a'); };",
    );
    await expect(invoke({})).rejects.toThrow(FunctionError);
    await expect(invoke({})).rejects.toThrow("no a");
    expect(await invoke({ a: 1 })).toBe(1);
  });

  it("writes an error that its handler throws to its log, in one line", async () => {
    const { invoke } = await start("export const handler = async () => { throw new Error('no a'); };");
    await expect(invoke({})).rejects.toThrow("no a");
    expect(lines).toEqual([expect.stringMatching(/\tERROR\tInvoke Error\t\{"stack":\["Error: no a",/)]);
  });

  it("fails a call whose answer is larger than Lambda allows, as JSON in UTF-8", async () => {
    const { invoke } = await start("export const handler = async ({ text, length }) => text.repeat(length);");
    expect(await invoke({ text: "x", length: 6_291_554 })).toHaveLength(6_291_554);
    for (const [text, length] of [
      ["x", 6_291_555],
      ["\\", 3_145_778],
      ["é", 3_145_778],
    ] as const) {
      await expect(invoke({ text, length })).rejects.toThrow(
        "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
      );
    }
    expect(lines).toHaveLength(3);
  });

  it("fails a call that takes longer than its time-out, with a line in its log, and keeps running", async () => {
    const { invoke } = await start(
      "export const handler = ({ a }) => (a ? Promise.resolve(a) : new Promise(() => {}));",
      250,
    );
    await expect(invoke({})).rejects.toThrow("Task timed out after 0.25 seconds");
    expect(lines).toEqual([expect.stringMatching(/^\S+Z [0-9a-f-]{36} Task timed out after 0\.25 seconds$/)]);
    expect(await invoke({ a: 1 })).toBe(1);
  });

  it.each([
    ["its init throws", "throw new Error('bad init');", /sample did not start: .*bad init/],
    ["it exports no handler", "export const other = 1;", /sample did not start: .*no function named handler/],
    ["its init ends the process", "process.exit(3);", /sample did not start: it ended with status 3/],
  ])("does not start when %s", async (_, source, message) => {
    await expect(start(source)).rejects.toThrow(message);
    expect(ends).toBe(1);
  });

  it("fails the call during which its process ends", async () => {
    const { invoke } = await start("export const handler = async () => process.exit(3);");
    await expect(invoke({})).rejects.toThrow("The function sample has ended, with status 3.");
    await expect(invoke({})).rejects.toThrow("has ended");
    expect(ends).toBe(1);
  });
});
