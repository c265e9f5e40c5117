import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";

const read = (name: string) =>
  readFileSync(resolve(import.meta.dirname, `../../.github/workflows/${name}`), "utf8");

interface Workflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, { readonly permissions?: unknown; readonly environment?: unknown }>>;
}

describe.each(["ci.yml", "deploy.yml"])("the workflow %s", (name) => {
  it("pins each action to a commit, since a tag can be moved", () => {
    const used = [...read(name).matchAll(/uses: (\S+)/g)].map(([, action]) => action);
    expect(used.length).toBeGreaterThan(0);
    for (const action of used) expect(action).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/);
  });

  it("contains no long-lived AWS key, and no expression in a shell command", () => {
    expect(read(name)).not.toMatch(/secrets\.|aws-access-key-id/);
    const commands = [...read(name).matchAll(/run: (?:\|\n(?:\s{10,}.*\n)+|.*)/g)].join("\n");
    expect(commands).not.toContain("${{");
  });
});

describe("the permissions of a workflow", () => {
  it("allow CI to read the code only", () => {
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
