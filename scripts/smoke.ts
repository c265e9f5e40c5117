/**
 * Checks a deployment with the credentials that the AWS SDK finds:
 *
 *   npm run smoke -- --url https://….execute-api.<region>.amazonaws.com/<stage> --service-account outbound-calls
 *
 * Exits with 1 if a check fails. Prints no token.
 */
import { parseArgs } from "node:util";
import { createTokenProvider, TokenError } from "../lib/client/index.ts";
import { readVariable } from "../lib/environment.ts";
import { tokenPath } from "../lib/http/wire.ts";

const usage =
  "usage: npm run smoke -- --url URL --service-account NAME [--ungranted NAME] [--region REGION] [--count N]";

function readArguments() {
  const { values } = parseArgs({
    options: {
      url: { type: "string", default: readVariable(process.env, "VOXTOKEN_URL") ?? "" },
      "service-account": { type: "string", default: "" },
      /** A service account that the caller has no grant for. It need not exist. */
      ungranted: { type: "string", default: "nobodys-service-account" },
      region: { type: "string" },
      count: { type: "string", default: "5" },
    },
  });
  const count = Number(values.count);
  if (!URL.canParse(values.url)) throw new Error(`--url: "${values.url}" is not a URL`);
  if (values["service-account"] === "")
    throw new Error("--service-account: the name of a service account is required");
  if (!Number.isInteger(count) || count < 1) throw new Error("--count must be a whole number of at least 1");
  return { ...values, count };
}

function orUsage<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    process.exit(2);
  }
}

const { url, ungranted, region, count, "service-account": serviceAccount } = orUsage(readArguments);

interface Check {
  readonly promise: string;
  /** @returns what was seen; throws if the deployment does not do what `promise` says */
  readonly see: () => Promise<string>;
}

const vend = async (name: string) => {
  const getToken = createTokenProvider({ url, serviceAccount: name, region, rounds: 1 });
  return getToken();
};

async function refusal(name: string): Promise<string> {
  try {
    await vend(name);
  } catch (error) {
    if (!(error instanceof TokenError) || !error.denied) throw error;
    return `${error.code}${error.code === "not_authorized" ? " (by API Gateway, before the grants were checked)" : ""}`;
  }
  throw new Error(`a token came back for ${name}`);
}

const milliseconds: number[] = [];
const checks: readonly Check[] = [
  {
    promise: `a token comes back for ${serviceAccount}`,
    see: async () => {
      const { expiresAt } = await vend(serviceAccount);
      return `valid until ${expiresAt.toISOString()}`;
    },
  },
  {
    promise: "an unsigned request is refused",
    see: async () => {
      const route = `${url.replace(/\/+$/, "")}${tokenPath(serviceAccount)}`;
      const { status } = await fetch(route, { method: "POST", signal: AbortSignal.timeout(10_000) });
      if (status !== 403 && status !== 401) throw new Error(`the answer was ${status}`);
      return `${status}`;
    },
  },
  { promise: `an ungranted service account (${ungranted}) is refused`, see: () => refusal(ungranted) },
  {
    promise: `${count} more tokens, one after another`,
    see: async () => {
      for (let n = 0; n < count; n += 1) {
        const start = performance.now();
        await vend(serviceAccount);
        milliseconds.push(Math.round(performance.now() - start));
      }
      return `${milliseconds.join(", ")} ms`;
    },
  },
];

let broken = 0;
for (const { promise, see } of checks) {
  const start = performance.now();
  try {
    const seen = await see();
    console.log(`ok      ${promise}: ${seen} (${Math.round(performance.now() - start)} ms)`);
  } catch (error) {
    broken += 1;
    console.log(`BROKEN  ${promise}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
if (broken > 0) console.log("Run `npx voxtoken doctor` to find the cause.");
process.exitCode = broken === 0 ? 0 : 1;
