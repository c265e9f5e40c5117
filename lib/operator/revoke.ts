import { MAX_TTL_SECONDS } from "../grants/policy.ts";
import type { Finding } from "../reconciliation/finding.ts";
import { CliError, EXIT } from "../cli/cli-error.ts";
import type { Io } from "../cli/io.ts";
import { commandRunner, forgetKeys, type FunctionFlags } from "./key-functions.ts";
import type { Operator } from "./operator.ts";

/**
 * After a rotation for a leak: the containers forget the old key, then it is deleted. In this order, because the other
 * way round they would hand out refused tokens in between; it takes seconds, where the rotation took longer. If the
 * containers cannot be made to forget, the key is deleted all the same.
 */
export async function revokeSuperseded(
  io: Io,
  flags: FunctionFlags,
  operator: Operator,
  serviceAccount: string,
): Promise<void> {
  const forgotten = flags.direct === true ? false : await tryToForget(io, flags);
  const run = commandRunner(io, flags, operator);
  const { findings } = await run<{ findings: Finding[] }>({ command: "retire-superseded", serviceAccount });
  const own = findings.filter(
    (finding) =>
      ["superseded_key", "stray_key"].includes(finding.reason) && finding.serviceAccount === serviceAccount,
  );
  const left = own.filter(({ action }) => action !== "deleted");
  if (left.length > 0) {
    const detail = left.map(({ key, detail }) => `${key?.key_id ?? "?"}: ${detail}`).join(" ");
    throw new CliError(
      `not every old key was deleted: ${detail}`,
      EXIT.failure,
      "run the same command again",
    );
  }
  for (const { key } of own) io.stdout.write(`${serviceAccount}: key ${key?.key_id ?? "?"} is deleted\n`);
  io.stderr.write(whatRemains(forgotten, io.now()));
}

async function tryToForget(io: Io, flags: FunctionFlags): Promise<boolean> {
  try {
    await forgetKeys(io, flags);
    return true;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    io.stderr.write(`The containers of ${flags.deployment}-vend-token were not made to forget: ${message}\n`);
    return false;
  }
}

function whatRemains(forgotten: boolean, now: number): string {
  const until = new Date(now + MAX_TTL_SECONDS * 1000).toISOString();
  const containers = forgotten
    ? "The vending function starts afresh in this region. In another region, run this there too, or wait for SIGNING_KEY_TTL_SECONDS."
    : "Warm containers may hand out tokens that the platform refuses, until SIGNING_KEY_TTL_SECONDS (300 by default) have passed.";
  return (
    "Nobody can make a token with the old key any more. Whether tokens that were made with it are refused from now on, " +
    `Voximplant does not document; at the latest they end at ${until}.\n${containers}\n`
  );
}
