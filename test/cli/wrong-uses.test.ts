import { describe, expect, it } from "vitest";
import { EXIT } from "../../lib/cli/cli-error.ts";
import { fakeIo } from "../fakes/io.ts";
import { runVoxtoken } from "../fakes/voxtoken.ts";

const URL = "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/prod";
const range = (from: number, to: number) => `It must be a whole number from ${from} to ${to}.`;

/** What was typed, the one line that comes back, and the hint below it. Each ends with status 2. */
const uses: readonly (readonly [typed: string, line: string, hint: string | undefined])[] = [
  ["nope", "unknown command 'nope'", "voxtoken --help"],
  ["tokn", "unknown command 'tokn'", "Did you mean token?"],
  ["--profile x whoami", "unknown option '--profile'", "voxtoken --help"],
  ["token", "missing required argument 'service-account'", "voxtoken token --help"],
  ["token a b", "too many arguments for 'token'. Expected 1 argument but got 2.", "voxtoken token --help"],
  ["token a --nope", "unknown option '--nope'", "voxtoken token --help"],
  ["token A", 'invalid_options: serviceAccount "A" must be 1 to 64 of a-z, 0-9 and "-"', undefined],
  [
    "token a --ttl 5",
    `option '--ttl <seconds>' argument '5' is invalid. ${range(30, 3600)}`,
    "voxtoken token --help",
  ],
  [
    "token a --ttl 1h",
    `option '--ttl <seconds>' argument '1h' is invalid. ${range(30, 3600)}`,
    "voxtoken token --help",
  ],
  [
    "token a --account-id 0",
    "option '--account-id <id>' argument '0' is invalid. It must be the number of an account.",
    "voxtoken token --help",
  ],
  [
    "token a --timeout 0",
    `option '--timeout <seconds>' argument '0' is invalid. ${range(1, 3600)}`,
    "voxtoken token --help",
  ],
  [
    "token a --timeout 1e3",
    `option '--timeout <seconds>' argument '1e3' is invalid. ${range(1, 3600)}`,
    "voxtoken token --help",
  ],
  [
    "token a --min-ttl 900 --ttl 60",
    "--min-ttl 900 is more than the token's lifetime of 60 s",
    "ask for a longer lifetime with --ttl",
  ],
  ["exec", "missing required argument 'service-account'", "voxtoken exec SERVICE-ACCOUNT -- COMMAND …"],
  ["exec a", "missing required argument 'command'", "voxtoken exec a -- COMMAND …"],
  ["exec -- echo", "missing required argument 'command'", "voxtoken exec SERVICE-ACCOUNT -- COMMAND …"],
  ["exec a sh -c x", "unknown option '-c'", "voxtoken exec a -- sh …"],
  ["api a", "missing required argument 'Method'", "voxtoken api --help"],
  ["api a Get-Users", 'invalid_options: "Get-Users" is not the name of a method', undefined],
  ["api a GetUsers count", 'parameter "count" is not name=value', undefined],
  [
    "api a GetUsers count=1 count=2",
    'parameter "count" appears twice',
    "a list of values is one parameter: name='a;b;c'",
  ],
  [
    "call a GetUsers count=1 count=1",
    'parameter "count" appears twice',
    "a list of values is one parameter: name='a;b;c'",
  ],
  [
    "whoami --url ftp://x",
    "invalid_options: url ftp://x must be https (http only for this machine)",
    undefined,
  ],
  [
    "whoami --url http://example.com",
    "invalid_options: url http://example.com must be https (http only for this machine)",
    undefined,
  ],
  ["serve a", "required option '--credentials <file>' not specified", "voxtoken serve --help"],
  [
    "serve a --credentials x --port 70000",
    `option '--port <port>' argument '70000' is invalid. ${range(0, 65_535)}`,
    "voxtoken serve --help",
  ],
  [
    "completion cmd",
    "command-argument value 'cmd' is invalid for argument 'shell'. Allowed choices are bash, zsh, fish.",
    "voxtoken completion --help",
  ],
  ["admin nope", "unknown command 'nope'", "voxtoken admin --help"],
  ["admin rotate", "missing required argument 'service-account'", "voxtoken admin rotate --help"],
  [
    "admin lint /nonexistent.yml",
    "there is no file /nonexistent.yml",
    "name the grants file, or change to the folder it is in",
  ],
];

describe("wrong usage", () => {
  it.each(uses)("prints one line and exits with 2: voxtoken %s", async (typed, line, hint) => {
    const io = fakeIo({ env: { VOXTOKEN_URL: URL, AWS_REGION: "eu-west-1" } });
    expect(await runVoxtoken(typed.split(" "), io)).toBe(EXIT.usage);
    expect(io.out()).toBe("");
    expect(io.err()).toBe(`voxtoken: ${line}\n${hint === undefined ? "" : `hint: ${hint}\n`}`);
  });

  it("is a missing url", async () => {
    const io = fakeIo();
    expect(await runVoxtoken(["whoami"], io)).toBe(EXIT.usage);
    expect(io.err()).toMatch(
      /^voxtoken: no url of a token vendor\nhint: give --url, or export VOXTOKEN_URL=/,
    );
  });
});
