import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { parse } from "yaml";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");
const read = (name: string) =>
  readFileSync(resolve(import.meta.dirname, `../../.github/workflows/${name}`), "utf8");

interface Workflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, { readonly permissions?: unknown; readonly environment?: unknown }>>;
}

describe.each(["ci.yml", "deploy.yml", "grants.yml"])("the workflow %s", (name) => {
  it("pins each action to a commit, since a tag can be moved", () => {
    const used = [...read(name).matchAll(/uses: (\S+)/g)].map(([, action]) => action);
    expect(used.length).toBeGreaterThan(0);
    for (const action of used) expect(action).toMatch(/^(?:\.\/|[\w-]+\/[\w-]+@[0-9a-f]{40})$/);
  });

  it("contains no long-lived AWS key, and no expression in a shell command", () => {
    expect(read(name)).not.toMatch(/secrets\.|aws-access-key-id/);
    const commands = [...read(name).matchAll(/run: (?:\|\n(?:\s{10,}.*\n)+|.*)/g)].join("\n");
    expect(commands).not.toContain("${{");
  });
});

describe("the action that reviews a change of the grants", () => {
  interface Action {
    readonly runs: {
      readonly steps: readonly { readonly name: string; readonly run: string; readonly env?: object }[];
    };
  }
  const { runs } = parse(read("../../action.yml")) as Action;

  it("lints, tests and compares, and puts no expression into a shell command", () => {
    expect(runs.steps.map(({ name }) => name)).toEqual([
      "Install",
      "Lint",
      "Test",
      "Compare",
      "Comment",
      "Refuse a gain",
    ]);
    for (const { run } of runs.steps) expect(run).not.toContain("${{");
  });

  it.each([
    [
      "a gain",
      "role/intern",
      "",
      4,
      /### Grants: 1 gain, 0 losses[^]*\*\*gained\*\* \| `arn:aws:iam::111122223333:role\/intern`/,
    ],
    ["a gain that fails the job", "role/intern", "true", 3, /\*\*gained\*\*/],
    ["no difference", "", "", 0, /### Grants: no difference/],
  ])("writes a summary of %s", async (_, added, failOnGain, status, summary) => {
    const folder = await mkdtemp(join(tmpdir(), "action-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const git = (...args: string[]) => run("git", args, { cwd: folder });
    const text = await readFile(join(root, "grants.yml"), "utf8");
    await git("init", "--quiet");
    await writeFile(join(folder, "grants.yml"), text);
    await git("add", "grants.yml");
    await git("-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "-m", "first");
    const arn = `arn:aws:iam::111122223333:${added}`;
    const grant = `grants:\n  - {principals: ["${arn}"], serviceAccounts: [call-history]}`;
    if (added !== "") await writeFile(join(folder, "grants.yml"), text.replace("grants:", grant));

    const step = runs.steps.find(({ name }) => name === "Compare")?.run ?? "";
    const env = {
      ...process.env,
      ...{ ACTION_PATH: root, GRANTS: "grants.yml", BASE: "HEAD", FAIL_ON_GAIN: failOnGain },
      RUNNER_TEMP: folder,
      GITHUB_STEP_SUMMARY: join(folder, "summary.md"),
      GITHUB_OUTPUT: join(folder, "output"),
    };
    await run("bash", ["-eo", "pipefail", "-c", step], { cwd: folder, env });
    expect(await readFile(env.GITHUB_STEP_SUMMARY, "utf8")).toMatch(summary);
    expect(await readFile(env.GITHUB_OUTPUT, "utf8")).toContain(`status=${status}\n`);
  });
});

describe("permissions", () => {
  it("of CI are to read the code", () => {
    expect((parse(read("ci.yml")) as Workflow).permissions).toEqual({ contents: "read" });
  });

  it("allow a deployment to read the code and to prove its environment to AWS", () => {
    const { permissions, jobs } = parse(read("deploy.yml")) as Workflow;
    expect(permissions).toEqual({});
    expect(jobs["deploy"]).toMatchObject({
      permissions: { contents: "read", "id-token": "write" },
      environment: "${{ inputs.stage }}",
    });
  });
});
