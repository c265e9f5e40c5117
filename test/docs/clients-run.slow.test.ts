import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { type Stack, startStack } from "../../local/stack.ts";
import { examplesIn } from "../fakes/examples.ts";

const root = resolve(import.meta.dirname, "../..");
const text = await readFile(join(root, "docs/clients.md"), "utf8");

let stack: Stack;
/**
 * In this repository, so that the examples find the built package by its name, and what they
 * import.
 */
let folder: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  stack = await startStack();
  await mkdir(join(root, "dist/test"), { recursive: true });
  folder = await mkdtemp(join(root, "dist/test/docs-clients-run-"));
  const identity = identityOf("nightly-report");
  // What `npm start` says to export.
  env = {
    PATH: process.env["PATH"],
    HOME: folder,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: identity.accessKeyId,
    AWS_SECRET_ACCESS_KEY: identity.secretAccessKey,
    ...(identity.sessionToken === undefined ? {} : { AWS_SESSION_TOKEN: identity.sessionToken }),
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
    VOXTOKEN_URL: stack.url,
    VOXIMPLANT_API_URL: stack.managementApi.apiUrl,
  };
});
afterAll(async () => {
  await stack.close();
  await rm(folder, { recursive: true });
});

function identityOf(role: string) {
  const identity = stack.identities.find(({ userArn }) => userArn.includes(role));
  if (identity === undefined) throw new Error(`local/identities.json has no ${role}`);
  return identity;
}

async function run(name: string, code: string, ...imports: string[]): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, code);
  const args = ["tsx", ...imports].flatMap((path) => ["--import", path]);
  const dialer = identityOf("dialer");
  const own = code.includes("createMethodCaller")
    ? {
        ...env,
        AWS_ACCESS_KEY_ID: dialer.accessKeyId,
        AWS_SECRET_ACCESS_KEY: dialer.secretAccessKey,
        AWS_SESSION_TOKEN: dialer.sessionToken,
      }
    : env;
  const { stdout } = await promisify(execFile)(process.execPath, [...args, file], { cwd: folder, env: own });
  return stdout;
}

/** What each example prints. The key is a word that only this one has. */
const expected: Readonly<Record<string, { readonly more?: string; readonly prints: RegExp }>> = {
  GetCallHistory: { prints: /^\[\]\n$/ },
  ttlSeconds: { prints: /^\d{3,4} \d{4}-\d\d-\d\dT/ },
  balance: {
    more: `import { createTokenProvider as provider } from "voxtoken";
      const url = process.env.VOXTOKEN_URL ?? "";
      console.log(JSON.stringify(await balance(provider({ url, serviceAccount: "call-history" }))));
      console.log(await balance(provider({ url, serviceAccount: "nobodys" })));`,
    prints: /"account_id":1234567[^]*\nask for a grant\n$/,
  },
  createVoximplantFetch: { prints: /result: \[\]/ },
  useVendedTokens: { prints: /^1234567\n$/ },
  createMethodCaller: { prints: /^started 1\n$/ },
};

describe("an example of docs/clients.md, against the local stack", () => {
  const examples = examplesIn(text, "ts");

  it("has an expectation, and each expectation has an example", () => {
    expect(examples.map(nameOf).sort()).toEqual(Object.keys(expected).sort());
  });

  it.each(examples.map((code, index) => [nameOf(code), code, index] as const))(
    "runs unchanged: %s",
    async (name, code, index) => {
      const imports: string[] = [];
      if (name === "useVendedTokens") {
        // The official client has its https host hard-coded: this is what sends it to the stack.
        await writeFile(join(folder, "no-key.json"), "{}");
        const redirect = join(folder, "redirect.mjs");
        await writeFile(
          redirect,
          `import { createRequire } from "node:module";
           const require = createRequire(import.meta.url);
           const axios = createRequire(require.resolve("@voximplant/apiclient-nodejs"))("axios");
           axios.interceptors.request.use((config) => ({ ...config, url: process.env.VOXIMPLANT_API_URL }));`,
        );
        imports.push(redirect);
      }
      const { more = "", prints } = expected[name] ?? { prints: /./ };
      expect(await run(`example-${index}.mts`, code + more, ...imports)).toMatch(prints);
    },
  );

  it("runs unchanged in the shell", async () => {
    const [shell = ""] = examplesIn(text, "sh").filter((code) => code.includes("voxtoken whoami"));
    const commands = shell.split("\n").filter((line) => line.startsWith("voxtoken "));
    expect(commands).toHaveLength(4);
    await writeFile(join(folder, "report.sh"), 'echo "${#VOXIMPLANT_ACCESS_TOKEN} characters"\n', {
      mode: 0o755,
    });
    const voxtoken = `voxtoken() { "${process.execPath}" "${join(root, "dist/cli/voxtoken.js")}" "$@"; }`;
    const { stdout } = await promisify(execFile)("bash", ["-ec", [voxtoken, ...commands].join("\n")], {
      cwd: folder,
      env,
    });
    expect(stdout).toContain("arn:aws:iam::111122223333:role/nightly-report");
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/m);
    expect(stdout).toContain('"account_id": 1234567');
    expect(stdout).toMatch(/^\d{3,4} characters$/m);
  });
});

function nameOf(code: string): string {
  const names = [
    "createMethodCaller",
    "useVendedTokens",
    "createVoximplantFetch",
    "balance",
    "ttlSeconds",
    "GetCallHistory",
  ];
  return names.find((name) => code.includes(name)) ?? "unknown";
}
