import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

vi.setConfig({ testTimeout: 180_000 });

const root = resolve(import.meta.dirname, "../..");
const voxtoken = [join(root, "node_modules/.bin/tsx"), join(root, "bin/voxtoken.ts")];

const grants = (...roles: string[]) => `serviceAccounts:
  calls: { secret: voximplant/calls, accountId: 1 }
grants:
${roles.map((role) => `  - { principals: [arn:aws:iam::111122223333:role/${role}], serviceAccounts: [calls] }\n`).join("")}`;
const test = (role: string, expectation: string) =>
  `  - { principal: arn:aws:iam::111122223333:role/${role}, serviceAccount: calls, expect: ${expectation} }\n`;

let folder: string;
let repository: string;

/**
 * In place of GitHub's command: keeps one comment in a file, writes down what it was asked, and
 * fails where there is a file `read-only`.
 */
const FAKE_GH = `#!/usr/bin/env bash
set -eu
echo "\${GH_TOKEN-none} $*" >> "$FAKE/asked"
case "$*" in
  *--paginate*) if [[ -f "$FAKE/comment" ]]; then echo 42; echo 43; fi ;;
  *) [[ ! -f "$FAKE/read-only" ]]; all="$*"; cp "\${all##*body=@}" "$FAKE/comment" ;;
esac
`;

const git = (...args: string[]) =>
  execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.com", ...args], {
    cwd: repository,
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
  });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "check-grants-"));
  repository = join(folder, "repository");
  mkdirSync(repository);
  writeFileSync(join(folder, "gh"), FAKE_GH);
  chmodSync(join(folder, "gh"), 0o755);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** A repository as GitHub checks a pull request out: HEAD is its merge into the base branch. */
function pullRequest(before: string | undefined, after: string, name = "grants.yml"): void {
  const commit = (text: string | undefined, message: string) => {
    if (text !== undefined) writeFileSync(join(repository, name), text);
    writeFileSync(join(repository, "other"), message);
    git("add", "--all");
    git("commit", "--quiet", "-m", message);
  };
  git("init", "--quiet", "--initial-branch", "main");
  commit(before, "base");
  git("checkout", "--quiet", "-b", "change");
  commit(after, "change");
  git("checkout", "--quiet", "main");
  git("merge", "--quiet", "--no-ff", "change", "-m", "merge");
}

function check(environment: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync("bash", [join(root, "scripts/check-grants.sh"), ...voxtoken], {
    cwd: repository,
    encoding: "utf8",
    env: {
      PATH: `${folder}:${process.env["PATH"] ?? ""}`,
      HOME: folder,
      FAKE: folder,
      GRANTS: "grants.yml",
      FAIL_ON_GAIN: "false",
      COMMENT: "true",
      PULL_REQUEST: "7",
      GH_TOKEN: "token-of-the-job",
      GITHUB_REPOSITORY: "owner/name",
      GITHUB_STEP_SUMMARY: join(folder, "summary"),
      ...environment,
    },
  });
  return { status, stdout, stderr };
}

const read = (name: string) =>
  existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : undefined;

describe("the check of a pull request", () => {
  it("writes one comment about who gains what, and updates it", () => {
    pullRequest(grants("a"), grants("a", "b"));
    expect(check()).toMatchObject({ status: 0, stderr: "" });
    const comment = read("comment") ?? "";
    expect(comment).toMatch(/^<!-- voxtoken admin diff: grants\.yml -->\n\n### Grants: 1 gain\n\n\|/);
    expect(comment).toContain(
      "| **gains** | `arn:aws:iam::111122223333:role/b` | `calls` | `gained: tokens of at most 3600 s` | `grants.yml:5` |",
    );
    expect(read("summary")).toBe(comment.replace(/^.*\n\n/, ""));

    expect(check().status).toBe(0);
    expect(
      read("asked")
        ?.trim()
        .split("\n")
        .map((line) => line.replace(/ (-F|--jq) .*/, "")),
    ).toEqual([
      "token-of-the-job api --paginate repos/owner/name/issues/7/comments?per_page=100",
      "token-of-the-job api --silent --method POST repos/owner/name/issues/7/comments",
      "token-of-the-job api --paginate repos/owner/name/issues/7/comments?per_page=100",
      "token-of-the-job api --silent --method PATCH repos/owner/name/issues/comments/42",
    ]);
  });

  it("writes no comment if nobody gains or loses, but updates one that is there", () => {
    pullRequest(grants("a"), `# Reviewed.\n${grants("a")}`);
    expect(check().status).toBe(0);
    expect(read("comment")).toBeUndefined();
    writeFileSync(join(folder, "comment"), "of an earlier run");
    expect(check().status).toBe(0);
    expect(read("comment")).toContain("### Grants: nobody gains or loses anything");
  });

  it("compares a new file with an empty one", () => {
    pullRequest(undefined, grants("a"));
    expect(check().status).toBe(0);
    expect(read("comment")).toContain("| **gains** | `arn:aws:iam::111122223333:role/a` |");
  });

  it("fails on a test that fails, with its line, and still comments", () => {
    pullRequest(grants("a"), `${grants("a", "b")}tests:\n${test("b", "denied")}`);
    const { status, stdout } = check();
    expect(status).toBe(1);
    expect(stdout).toMatch(/^::error file=grants\.yml,line=7,col=5::expected denied, is allowed/m);
    expect(read("comment")).toContain("role/b");
  });

  it("fails on an error of lint, and compares nothing", () => {
    pullRequest(grants("a"), grants("a").replace("[calls]", "[cals]"));
    const { status, stdout } = check();
    expect(status).toBe(1);
    expect(stdout).toMatch(/^::error file=grants\.yml,line=4,/m);
    expect(read("asked")).toBeUndefined();
  });

  it.each([
    ["a gain", grants("a"), grants("a", "b"), 1],
    ["a loss", grants("a", "b"), grants("a"), 0],
  ])("fails on a gain alone where told to, here %s", (_, before, after, status) => {
    pullRequest(before, after);
    expect(check({ FAIL_ON_GAIN: "true" }).status).toBe(status);
    expect(read("comment")).toContain("role/b");
  });

  it("takes no path for an option", () => {
    pullRequest(grants("a"), grants("a", "b"));
    const { status, stderr } = check({ GRANTS: "--help" });
    expect(status).toBe(2);
    expect(stderr).toContain("there is no file --help");
  });

  it("says so if the file of the base branch is not valid", () => {
    pullRequest("grants: []\n", grants("a"));
    expect(check().status).toBe(0);
    expect(read("comment")).toContain("### Grants: the base branch's file is not valid");
  });

  it("runs no name of a file as code", () => {
    const name = "$(touch pwned);`touch pwned` x.yml";
    pullRequest(grants("a"), grants("a", "b"), name);
    expect(check({ GRANTS: name }).status).toBe(0);
    expect(read("comment")).toContain("role/b");
    expect(existsSync(join(repository, "pwned"))).toBe(false);
  });

  it("warns if the comment cannot be written, as on a pull request from a fork", () => {
    pullRequest(grants("a"), grants("a", "b"));
    writeFileSync(join(folder, "read-only"), "");
    const { status, stdout } = check();
    expect(status).toBe(0);
    expect(stdout).toContain("::warning::The comment could not be written");
    expect(read("summary")).toContain("role/b");
  });

  it("writes into the summary alone where told to", () => {
    pullRequest(grants("a"), grants("a", "b"));
    expect(check({ COMMENT: "false" }).status).toBe(0);
    expect(read("asked")).toBeUndefined();
    expect(read("summary")).toContain("role/b");
  });

  it("lints and tests alone on a push", () => {
    pullRequest(grants("a"), grants("a", "b"));
    expect(check({ PULL_REQUEST: "" }).status).toBe(0);
    expect([read("asked"), read("summary")]).toEqual([undefined, undefined]);
  });

  it("says how to check out if the base branch is not there", () => {
    pullRequest(grants("a"), grants("a", "b"));
    git("checkout", "--quiet", "change");
    const { status, stdout } = check();
    expect(status).toBe(1);
    expect(stdout).toContain(
      "::error::The checkout has no merge of the pull request: give actions/checkout fetch-depth: 2",
    );
  });
});
