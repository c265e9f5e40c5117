import { readVariable } from "../environment.ts";
import { colorsFor, type Io } from "./io.ts";

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/** Shows progress on a terminal while the work runs. Shows nothing in a pipe or a log. */
export async function whileWaiting<T>(io: Io, what: string, work: () => Promise<T>): Promise<T> {
  if (!io.stderr.isTerminal || readVariable(io.env, "TERM") === "dumb") return work();
  let shown = 0;
  const timer = setInterval(() => {
    const frame = FRAMES[shown++ % FRAMES.length] ?? "";
    io.stderr.write(`\r${colorsFor(io, io.stderr).cyan(frame)} ${what}`);
  }, 120);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    if (shown > 0) io.stderr.write("\r\u001b[K");
  }
}
