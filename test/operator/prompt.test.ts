import { expect, it } from "vitest";

import { openPrompt } from "../../lib/operator/prompt.ts";
import { fakeIo } from "../fakes/io.ts";

it.each([
  ["a character", "secrez\u007ft\n", "secret"],
  ["nothing before the first character", "\u007f\u007fsecret\n", "secret"],
  ["no more than there is", "ab\b\b\bcd\n", "cd"],
  ["a character of two code units whole", "a\u{1f511}\u007fb\n", "ab"],
])("a backspace at the prompt erases %s", async (_, typed, answer) => {
  const prompt = openPrompt(fakeIo({ input: typed }));
  expect(await prompt.ask("? ")).toBe(answer);
});

it("a backspace at the prompt does not erase the end of the line before", async () => {
  const prompt = openPrompt(fakeIo({ input: "one\n\u007ftwo\n" }));
  expect([await prompt.ask("? "), await prompt.ask("? ")]).toEqual(["one", "two"]);
});
