import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Io } from "../../lib/cli/io.ts";
import type { FaultInjector } from "../../local/fault.ts";
import { platformFault } from "../../local/voximplant/error.ts";
import {
  type ManagementApi,
  type ManagementApiOptions,
  startManagementApi,
} from "../../local/voximplant/server.ts";
import { fakeIo } from "../fakes/io.ts";
import { runVoxtoken } from "../fakes/voxtoken.ts";
import { ACCOUNT, credentialsFile } from "../key-lifecycle/world.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

const CHILD = 7654321;
const GIVEN = "11111111-2222-4333-8444-555555555555";
const OTHER = "99999999-2222-4333-8444-555555555555";
const pem = rsaPem();
const pool = Array.from({ length: 4 }, () => rsaPem());

interface Call {
  readonly method: string;
  readonly kid: string;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly parameters: URLSearchParams;
}

/** Stands between the command and the stand-in: a platform that behaves otherwise. */
type Platform = (call: Call, forward: () => Promise<Response>) => Promise<Response> | undefined;

const refused = (code: number, status = 200) =>
  Promise.resolve(Response.json({ error: { code, msg: `of account ${ACCOUNT}` } }, { status }));

let api: ManagementApi;
let folder: string;
let clock: number;
/** What went over the wire and must be in no output. */
let secrets: Set<string>;
let interrupt: (() => void) | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "probe-"));
  clock = Date.UTC(2026, 10, 24, 12);
  secrets = new Set([pem.slice(200, 240), "ops@example.com", "PRIVATE KEY"]);
  interrupt = undefined;
});
afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

async function start(options: Partial<ManagementApiOptions> = {}) {
  let next = 0;
  api = await startManagementApi({
    accounts: [
      { accountId: ACCOUNT, email: "ops@example.com", childAccountIds: [CHILD] },
      { accountId: CHILD },
    ],
    keys: [
      { accountId: ACCOUNT, keyId: GIVEN, pem, name: "from the panel", roles: ["Developer"] },
      { accountId: ACCOUNT, keyId: OTHER, pem: pool[0] ?? "", name: "of another program" },
    ],
    makePrivateKey: () => Promise.resolve(pool[next++ % pool.length] ?? ""),
    now: () => new Date(clock),
    ...options,
  });
}

async function run(
  args: readonly string[] = [],
  platform: Platform = () => undefined,
  given: Partial<Io> = {},
) {
  const file = join(folder, "key_private.json");
  await writeFile(file, credentialsFile(GIVEN, pem), { mode: 0o600 });
  const io = fakeIo({
    env: { VOXIMPLANT_API_URL: api.apiUrl },
    now: () => clock,
    sleep: (ms) => {
      clock += ms;
      return Promise.resolve();
    },
    fetch: async (input, init) => {
      const request = new Request(input, init);
      const token = (request.headers.get("authorization") ?? "").replace("Bearer ", "");
      secrets.add(token);
      // A token goes to no other address that an answer names.
      if (request.redirect !== "error") throw new Error("follows redirects");
      const [header, claims] = token
        .split(".")
        .slice(0, 2)
        .map((part) => JSON.parse(Buffer.from(part, "base64url").toString()) as Record<string, unknown>);
      const call = {
        method: request.url.split("/").at(-1) ?? "",
        kid: String(header?.["kid"]),
        claims: claims ?? {},
        parameters: new URLSearchParams(await request.clone().text()),
      };
      return (await platform(call, () => api.fetch(request))) ?? api.fetch(request);
    },
    onInterrupt: (listener) => {
      interrupt = listener;
      return () => (interrupt = undefined);
    },
    ...given,
  });
  const out = join(folder, "probe.json");
  const status = await runVoxtoken(["admin", "probe", "--credentials", file, "--out", out, ...args], io);
  const written = await readFile(out, "utf8").catch(() => undefined);
  const shown = io.out() + io.err() + (written ?? "");
  for (const secret of secrets) expect(shown.includes(secret)).toBe(false);
  for (const id of [GIVEN, OTHER, String(ACCOUNT), String(CHILD), "vtv-probe"]) {
    expect(written ?? "").not.toContain(id);
    expect(io.out()).not.toContain(id);
  }
  expect(interrupt).toBeUndefined();
  const report = written === undefined ? undefined : (JSON.parse(written) as Report);
  const answers = Object.fromEntries(
    (report?.answers ?? []).map(({ id, answer, why, set = "" }) => [id, answer ? `${answer} | ${set}` : why]),
  );
  return { status, out: io.out(), err: io.err(), report, answers, written };
}

interface Report {
  readonly complete: boolean;
  readonly keysLeft: number;
  readonly answers: readonly { id: string; answer?: string; why?: string; set?: string; facts?: unknown }[];
}

/**
 * Names of the keys that the platform has, other than the two that are none of the command's
 * business.
 */
const throwAwayKeys = () =>
  [...api.keys.values()].filter(({ keyId }) => keyId !== GIVEN && keyId !== OTHER).map(({ keyId }) => keyId);

function expectOnlyForeignKeys() {
  expect([...api.keys.keys()].sort()).toEqual([GIVEN, OTHER]);
  expect(api.keys.get(OTHER)).toMatchObject({ name: "of another program", roleIds: new Set() });
  expect(api.keys.get(GIVEN)).toMatchObject({ name: "from the panel", roleIds: new Set([3]) });
}

const NOTHING = "nothing";

describe("voxtoken admin probe", () => {
  it("answers every question, prints one table of 80 columns, writes it as JSON, and leaves no key", async () => {
    await start();
    const { status, out, err, answers, report } = await run();
    expect(err).toContain("no throw-away key is left");
    expect(status).toBe(0);
    expectOnlyForeignKeys();
    expect(answers).toEqual({
      create_key_result: `an object | ${NOTHING}`,
      new_key_signs: `within 0.1 s | ${NOTHING}`,
      new_key_found: `within 0.1 s | ${NOTHING}`,
      new_key_listed: `within 0.1 s | ${NOTHING}`,
      iss: `number: yes; string: no (HTTP 200, error 447) | ${NOTHING}`,
      claims: "yes, both | claims: standard (the default)",
      expired: `HTTP 200, error 456 | ${NOTHING}`,
      future: `HTTP 200, error 455 | ${NOTHING}`,
      too_long: `HTTP 200, error 454 | ${NOTHING}`,
      unknown_key: `HTTP 200, error 433 | ${NOTHING}`,
      child: "GetChildrenAccounts: HTTP 200, error 104; use --child ID",
      roleless_create: "yes | unknownKeys: delete; maxTtlSeconds: 300 or less",
      roleless_update: `yes | ${NOTHING}`,
      roleless_delete: "yes | maxTtlSeconds: 300 or less",
      roleless_set_roles: "yes, it made itself Admin | unknownKeys: delete; maxTtlSeconds: 300 or less",
      deleted_old_token: `within 0.1 s | ${NOTHING}`,
      deleted_new_token: `within 0.1 s | ${NOTHING}`,
      deleted_unlisted: `within 0.1 s | ${NOTHING}`,
      key_limit: "asked only with --fill",
    });
    expect(report).toMatchObject({ complete: true, keysLeft: 0 });
    expect(out.split("\n")[0]).toMatch(/^QUESTION +ANSWER +SET IN GRANTS\.YML$/);
    for (const line of out.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    expect((await stat(join(folder, "probe.json"))).mode & 0o777).toBe(0o600);
  });

  describe("reports the other answer", () => {
    const kid = (call: Call) => call.kid !== GIVEN;
    const roleless =
      (method: string, code: number): Platform =>
      (call) =>
        call.method === method && kid(call) ? refused(code, 403) : undefined;
    const cases: [what: string, Partial<ManagementApiOptions>, Platform, Record<string, string>][] = [
      [
        "that CreateKey returns an array",
        { createKeyShape: "array" },
        () => undefined,
        { create_key_result: `an array | ${NOTHING}` },
      ],
      [
        "the HTTP status of refused tokens",
        { errorStatus: 401 },
        () => undefined,
        {
          expired: `HTTP 401, error 456 | ${NOTHING}`,
          unknown_key: `HTTP 401, error 433 | ${NOTHING}`,
        },
      ],
      [
        "that neither sub nor jti is accepted",
        {},
        ({ claims }) => ("sub" in claims || "jti" in claims ? refused(447) : undefined),
        {
          claims: "sub: no; jti: no; both: no (HTTP 200, error 447) | claims: minimal",
        },
      ],
      [
        "that sub is accepted and jti is not",
        {},
        ({ claims }) => ("jti" in claims ? refused(447) : undefined),
        {
          claims: "sub: yes; jti: no; both: no (HTTP 200, error 447) | claims: minimal",
        },
      ],
      [
        "that iss may be a string too",
        {},
        ({ claims }) =>
          typeof claims["iss"] === "string" ? Promise.resolve(Response.json({ result: {} })) : undefined,
        {
          iss: `number: yes; string: yes | ${NOTHING}`,
        },
      ],
      [
        "that an overlong token is accepted",
        {},
        ({ claims: { exp, iat } }) =>
          Number(exp) - Number(iat) > 3600 ? Promise.resolve(Response.json({ result: {} })) : undefined,
        {
          too_long: `accepted (HTTP 200) | ${NOTHING}`,
        },
      ],
      [
        "another error code than the documented one",
        {},
        ({ claims: { exp } }) => (Number(exp) * 1000 < clock ? refused(100) : undefined),
        {
          expired: `HTTP 200, error 100 (documented: 456) | ${NOTHING}`,
        },
      ],
      [
        "that CreateKey needs a role",
        {},
        roleless("CreateKey", 100),
        {
          roleless_create: "no (HTTP 403, error 100) | unknownKeys: report (the default)",
          roleless_delete: "yes | maxTtlSeconds: 300 or less",
        },
      ],
      [
        "that UpdateKey needs a role",
        {},
        roleless("UpdateKey", 104),
        {
          roleless_update: `no (HTTP 403, error 104) | ${NOTHING}`,
        },
      ],
      [
        "that DeleteKey needs a role",
        {},
        roleless("DeleteKey", 100),
        {
          roleless_delete: `no (HTTP 403, error 100) | ${NOTHING}`,
        },
      ],
      [
        "that a key cannot raise itself",
        {},
        roleless("SetKeyRoles", 435),
        {
          roleless_set_roles: `no (HTTP 403, error 435) | ${NOTHING}`,
        },
      ],
      [
        "that a new key has roles",
        {},
        ({ method }, forward) =>
          method === "GetKeyRoles"
            ? forward().then(() => Response.json({ result: [{ role_id: 3 }] }))
            : undefined,
        {
          roleless_create: "the platform gives roles to a new key",
        },
      ],
    ];

    it.each(cases)("%s", async (_, options, platform, expected) => {
      await start(options);
      const { status, answers } = await run([], platform);
      expect(answers).toMatchObject(expected);
      expect(status).toBe(0);
      expectOnlyForeignKeys();
    });

    it("that a new key is known, accepted and listed after a delay", async () => {
      await start();
      const born = new Map<string, number>();
      const { status, answers } = await run([], (call, forward) => {
        const { method, parameters } = call;
        if (method === "CreateKey") {
          return forward().then(async (response) => {
            const body = (await response.clone().json()) as { result: { key_id: string } };
            born.set(body.result.key_id, clock);
            return response;
          });
        }
        const age = (keyId: string) => clock - (born.get(keyId) ?? 0);
        if (age(call.kid) < 2000) return refused(100);
        if (method === "GetKeys") {
          return forward().then(async (response) => {
            const { result } = (await response.json()) as { result: { key_id: string }[] };
            return Response.json({ result: result.filter(({ key_id }) => age(key_id) > 5000) });
          });
        }
        return age(parameters.get("key_id") ?? "") < 1000 ? refused(433) : undefined;
      });
      expect(answers).toMatchObject({
        new_key_signs: `within 2 s | ${NOTHING}`,
        new_key_found: `within 1 s | ${NOTHING}`,
        new_key_listed: `within 5.5 s | ${NOTHING}`,
        roleless_delete: "yes | maxTtlSeconds: 300 or less",
      });
      expect(status).toBe(0);
      expectOnlyForeignKeys();
    });

    it("that servers disagree for a while: the wait ends when the answer is stable", async () => {
      await start();
      let lookups = 0;
      const { answers } = await run([], ({ method }) =>
        method === "GetKeyRoles" && ++lookups === 3 ? refused(433) : undefined,
      );
      expect(answers["new_key_found"]).toBe(`within 1.5 s (changed back: 1) | ${NOTHING}`);
    });

    it("that a new key is never accepted, without counting its refusals as answers", async () => {
      await start();
      const { answers, status } = await run([], ({ kid }) => (kid === GIVEN ? undefined : refused(100)));
      expect(answers).toMatchObject({
        new_key_signs: "not within 60 s | no setting helps: rotation would fail; please report it",
        new_key_listed: `within 0.1 s | ${NOTHING}`,
        claims: "the new key was not accepted within 60 s",
        roleless_create: "the new key was not accepted within 60 s",
        deleted_old_token: "the token was refused before DeleteKey (HTTP 200, error 100)",
        deleted_unlisted: `within 0.1 s | ${NOTHING}`,
      });
      expect(status).toBe(0);
      expectOnlyForeignKeys();
    });

    it("that a deleted key's token is refused after a delay, or not within a minute", async () => {
      await start();
      let deletedAt: number | undefined;
      const { answers } = await run([], ({ method, kid, parameters, claims }) => {
        if (method === "DeleteKey" && kid === GIVEN) deletedAt ??= clock;
        if (deletedAt === undefined || method !== "GetAccountInfo" || parameters.has("key_id"))
          return undefined;
        const isOld = Number(claims["exp"]) - Number(claims["iat"]) > 200;
        const isAccepted = isOld || clock - deletedAt < 3000;
        return isAccepted ? Promise.resolve(Response.json({ result: {} })) : undefined;
      });
      expect(answers).toMatchObject({
        deleted_old_token: "not within 60 s | maxTtlSeconds: 300 or less",
        deleted_new_token: `within 3 s | ${NOTHING}`,
        deleted_unlisted: `within 0.1 s | ${NOTHING}`,
      });
      expectOnlyForeignKeys();
    });
  });

  describe("with child accounts,", () => {
    it("uses the child account that is named", async () => {
      await start();
      const { answers } = await run(["--child", String(CHILD)]);
      expect(answers["child"]).toBe("yes, also for a key without roles | childAccountIds: may be used");
    });

    it.each([
      [
        "the first listed child account",
        { result: [{ account_id: CHILD }] },
        "yes, also for a key without roles | childAccountIds: may be used",
      ],
      ["none where there is none", { result: [] }, `the account has no child account | ${NOTHING}`],
      [
        "no child account if the list cannot be read",
        { result: "?" },
        "GetChildrenAccounts: another shape than documented; use --child ID",
      ],
    ])("uses %s", async (_, body, expected) => {
      await start();
      const { answers, status } = await run([], ({ method }) =>
        method === "GetChildrenAccounts" ? Promise.resolve(Response.json(body)) : undefined,
      );
      expect({ status, child: answers["child"] }).toEqual({ status: 0, child: expected });
    });

    it.each([
      ["refused", () => refused(100), "no (HTTP 200, error 100) | childAccountIds: none"],
      [
        "about the parent",
        () => Promise.resolve(Response.json({ result: { account_id: ACCOUNT } })),
        "no: the answer is about another account | childAccountIds: none",
      ],
    ])("answers no if the answer is %s", async (_, answer, expected) => {
      await start();
      const { answers } = await run(["--child", String(CHILD)], ({ claims }) =>
        claims["iss"] === CHILD ? answer() : undefined,
      );
      expect(answers["child"]).toBe(expected);
    });

    it("distinguishes a key without roles from the given one", async () => {
      await start();
      const { answers } = await run(["--child", String(CHILD)], ({ claims, kid }) =>
        claims["iss"] === CHILD && kid !== GIVEN ? refused(100) : undefined,
      );
      expect(answers["child"]).toBe(
        "yes for the given key, no for a key without roles | childAccountIds: may be used",
      );
    });
  });

  describe("with --fill,", () => {
    it("finds the limit and deletes the keys, whatever the page size", async () => {
      await start({ keyLimit: 130 });
      const { answers, status, err } = await run(["--fill"]);
      expect(answers["key_limit"]).toBe(
        "130 (then HTTP 200, error 437) | serviceAccounts: at most 43 in one account",
      );
      expect(err).toContain("no throw-away key is left");
      expect(status).toBe(0);
      expectOnlyForeignKeys();
    });

    it("gives no answer if creating keys ends with another error, and deletes the keys", async () => {
      await start({
        keyLimit: 130,
        fault: (method, n) => (method === "CreateKey" && n > 5 ? platformFault(104) : undefined),
      });
      const { answers, status } = await run(["--fill"]);
      expect(answers["key_limit"]).toBe("CreateKey after 3 keys: HTTP 200, error 104");
      expect(status).toBe(0);
      expectOnlyForeignKeys();
    });
  });

  it("uses a string as iss throughout if the platform refuses a number", async () => {
    await start();
    const { status, answers } = await run([], ({ claims }) =>
      typeof claims["iss"] === "number" ? refused(447) : Promise.resolve(Response.json({ result: {} })),
    );
    expect(status).toBe(1);
    expect(answers["create_key_result"]).toContain("no key that can be read");
  });

  describe("continues if one question has no answer", () => {
    it.each([
      ["GetKeyRoles", "GetKeyRoles: HTTP 200, error 100", "roleless_update", "claims"],
      ["GetRoles", "GetRoles: HTTP 200, error 100", "roleless_set_roles", "roleless_update"],
      ["UpdateKey", "no (HTTP 200, error 100) | nothing", "roleless_update", "claims"],
    ])("%s", async (method, why, unanswered, other) => {
      await start({ fault: (name) => (name === method ? platformFault(100) : undefined) });
      const { status, answers } = await run();
      expect(answers[unanswered]).toBe(why);
      expect(answers[other]).toMatch(/^yes/);
      expect(status).toBe(0);
      expectOnlyForeignKeys();
    });

    it("but removes the role that a key may have given itself", async () => {
      await start();
      let isRaising = false;
      const { answers } = await run([], ({ method }) => {
        if (method === "SetKeyRoles") isRaising = true;
        if (method !== "GetKeyRoles" || !isRaising) return undefined;
        return Promise.resolve(new Response("", { status: 502 }));
      });
      expect(answers["roleless_set_roles"]).toBe("GetKeyRoles: HTTP 502 without JSON");
      expect(api.calls.map(({ method }) => method)).toContain("RemoveKeyRoles");
    });

    it("without printing the platform's text, which may contain an account's name", async () => {
      await start();
      const html = `<html>account ${ACCOUNT}</html>`;
      const { answers, out } = await run([], ({ method, kid }) =>
        method === "UpdateKey" && kid !== GIVEN
          ? Promise.resolve(new Response(html, { status: 502 }))
          : undefined,
      );
      expect(answers["roleless_update"]).toBe("UpdateKey: HTTP 502 without JSON");
      expect(out).toContain("not answered: UpdateKey:");
    });

    it("if one item of the list cannot be read", async () => {
      await start();
      const { status, answers } = await run([], ({ method, parameters }, forward) =>
        method === "GetKeys" && parameters.get("offset") === "0"
          ? forward().then(async (response) => {
              const body = (await response.json()) as { result: unknown[] };
              return Response.json({
                ...body,
                result: [null, { key_id: 7 }, ...body.result],
                total_count: undefined,
              });
            })
          : undefined,
      );
      expect(answers["new_key_listed"]).toBe(`within 0.1 s | ${NOTHING}`);
      expect(status).toBe(0);
    });
  });

  it("does not count refusals as answers after the throw-away key was deleted by someone else", async () => {
    await start();
    const { answers } = await run([], ({ claims, kid }) => {
      if ("jti" in claims) api.keys.delete(kid);
      return undefined;
    });
    const why = "a plain token of the throw-away key is refused too (HTTP 200, error 433)";
    expect(answers).toMatchObject({
      iss: expect.stringMatching(/^number: yes/) as string,
      claims: why,
      expired: why,
    });
    expectOnlyForeignKeys();
  });

  describe("deletes its throw-away keys", () => {
    it("even if the platform neither knows nor lists the newest one for half a minute", async () => {
      await start();
      let bornAt: number | undefined;
      let newest = "";
      const { status, err } = await run([], ({ method, kid, parameters }, forward) => {
        if (method === "CreateKey" && kid !== GIVEN) {
          return forward().then(async (response) => {
            newest = ((await response.clone().json()) as { result: { key_id: string } }).result.key_id;
            bornAt = clock;
            interrupt?.();
            return response;
          });
        }
        if (bornAt === undefined || clock - bornAt > 30_000) return undefined;
        if (method === "DeleteKey" && parameters.get("key_id") === newest) return refused(433);
        if (method !== "GetKeys") return undefined;
        return forward().then(async (response) => {
          const { result } = (await response.json()) as { result: { key_id: string }[] };
          return Response.json({ result: result.filter(({ key_id }) => key_id !== newest) });
        });
      });
      expect(newest).not.toBe("");
      expect(err).toContain("the throw-away keys are deleted");
      expect(status).toBe(1);
      expectOnlyForeignKeys();
    });

    it("if the answer of CreateKey was lost, as soon as the key is listed", async () => {
      const lost: FaultInjector = (method, n) =>
        method === "CreateKey" && n === 1 ? { drop: "after" } : undefined;
      await start({ fault: lost });
      const { status, err } = await run();
      expect(status).toBe(1);
      expect(err).toContain("no throw-away key could be used");
      expectOnlyForeignKeys();
    });

    it("even if the keys cannot be listed", async () => {
      await start({ fault: (method) => (method === "GetKeys" ? platformFault(100) : undefined) });
      const { status, err, answers } = await run();
      expect(err).toContain("Warning: cannot look for keys of an earlier run: GetKeys");
      expect(answers).toMatchObject({
        new_key_listed: "GetKeys: HTTP 200, error 100",
        claims: "yes, both | claims: standard (the default)",
      });
      expect(status).toBe(0);
      expectOnlyForeignKeys();
    });

    it("even if the given key may not delete keys: each key deletes itself", async () => {
      await start();
      const { status } = await run([], ({ method, kid }) =>
        method === "DeleteKey" && kid === GIVEN ? refused(100) : undefined,
      );
      expect(status).toBe(0);
      expectOnlyForeignKeys();
    });

    it("even if a program error occurs", async () => {
      await start();
      const { status, answers } = await run([], ({ claims }) => {
        if ("jti" in claims) throw new TypeError(`boom of ${ACCOUNT}`);
        return undefined;
      });
      expect(answers["claims"]).toBe("GetAccountInfo: the request failed");
      expect(status).toBe(0);
      expectOnlyForeignKeys();
    });

    it.each(["CreateKey", "GetAccountInfo", "SetKeyRoles", "DeleteKey"])(
      "on Ctrl-C during %s",
      async (method) => {
        await start();
        let calls = 0;
        const { status, err, report } = await run([], (call, forward) => {
          if (call.method !== method || (method !== "SetKeyRoles" && ++calls !== 2)) return undefined;
          interrupt?.();
          return forward();
        });
        expect(err).toContain("Interrupted: deleting the throw-away keys.");
        expect(err).toMatch(/\nvoxtoken: interrupted; the throw-away keys are deleted\n$/);
        expect(status).toBe(1);
        expect(report).toMatchObject({ complete: false, keysLeft: 0 });
        expectOnlyForeignKeys();
      },
    );

    it("until a second Ctrl-C, and reports the remaining keys", async () => {
      await start();
      const { status, err } = await run([], ({ method }, forward) => {
        if (method === "SetKeyRoles") interrupt?.();
        if (method === "DeleteKey" && throwAwayKeys().length === 1) interrupt?.();
        return forward();
      });
      expect(status).toBe(1);
      for (const id of throwAwayKeys()) expect(err).toContain(id);
      expect(err).toContain("may still exist");
    });

    it("left by a killed run before it does anything else, and no other keys", async () => {
      await start();
      const names = ["vtv-probe-0123456789ab-1", "vtv-probe-0123456789ab-12"];
      const left = names.map((name) => api.addKey({ accountId: ACCOUNT, pem, name }).keyId);
      const alike = [
        "vtv-probe-mine",
        "my-vtv-probe-0123456789ab-1",
        "vtv-3fa8c1d2-8c0e1a34-6f0c-4d55-9a43-0d6e1b7f2a10",
      ].map((name) => api.addKey({ accountId: ACCOUNT, pem, name }).keyId);
      const created: string[][] = [];
      const { status, err } = await run([], ({ method }) => {
        if (method === "CreateKey") created.push(throwAwayKeys());
        return undefined;
      });
      expect(err).toContain("Deleted 2 throw-away keys that an earlier run left behind.\n");
      for (const id of left) expect(created[0]).not.toContain(id);
      expect(throwAwayKeys().sort()).toEqual(alike.sort());
      expect(status).toBe(0);
    });

    it("without deleting the given key, whatever its name is", async () => {
      await start({ keys: [{ accountId: ACCOUNT, keyId: GIVEN, pem, name: "vtv-probe-0123456789ab-1" }] });
      expect(await run()).toMatchObject({ status: 0 });
      expect([...api.keys.keys()]).toEqual([GIVEN]);
    });
  });

  describe("as a process", () => {
    /** The command as a user starts it, against a stand-in that takes its time. */
    async function startProcess() {
      await start({
        now: () => new Date(),
        fault: (method) => (method === "GetAccountInfo" ? { delayMs: 150 } : undefined),
      });
      const file = join(folder, "key_private.json");
      await writeFile(file, credentialsFile(GIVEN, pem), { mode: 0o600 });
      return () => {
        const child = spawn(
          process.execPath,
          ["dist/cli/voxtoken.js", "admin", "probe", "--credentials", file],
          { env: { ...process.env, VOXIMPLANT_API_URL: api.apiUrl }, stdio: ["ignore", "pipe", "pipe"] },
        );
        let shown = "";
        child.stdout.on("data", (chunk: Buffer) => (shown += chunk.toString()));
        child.stderr.on("data", (chunk: Buffer) => (shown += chunk.toString()));
        const ended = once(child, "close").then(([status]) => ({ status: status as unknown, shown }));
        return { child, ended, shown: () => shown };
      };
    }

    it.each(["SIGINT", "SIGTERM"] as const)("deletes its keys on %s", async (signal) => {
      const { child, ended } = (await startProcess())();
      await vi.waitUntil(() => throwAwayKeys().length > 0, { timeout: 30_000 });
      child.kill(signal);
      const { status, shown } = await ended;
      expect(shown).toContain("interrupted; the throw-away keys are deleted");
      expect(status).toBe(1);
      expectOnlyForeignKeys();
    });

    it("deletes the remaining keys at the next start after SIGKILL", async () => {
      const run = await startProcess();
      const first = run();
      await vi.waitUntil(() => throwAwayKeys().length > 0, { timeout: 30_000 });
      first.child.kill("SIGKILL");
      await first.ended;
      expect(throwAwayKeys()).toHaveLength(1);
      const second = run();
      const message = "Deleted 1 throw-away key that an earlier run left behind.";
      await vi.waitUntil(() => second.shown().includes(message), { timeout: 30_000 });
      second.child.kill("SIGINT");
      expect((await second.ended).shown).not.toContain("PRIVATE KEY");
      expectOnlyForeignKeys();
    });
  });

  describe("reports which key is left, and exits with 1,", () => {
    it.each([
      ["DeleteKey is refused", platformFault(100), "DeleteKey: HTTP 200, error 100"],
      ["DeleteKey is not answered", { status: 500, body: "" }, "DeleteKey: HTTP 500 without JSON"],
      [
        "DeleteKey is answered and nothing happens",
        { status: 200, body: '{"result": 1}' },
        "it is still listed",
      ],
    ] as const)("if %s", async (_, fault, why) => {
      await start({ fault: (method) => (method === "DeleteKey" ? fault : undefined) });
      const { status, err, report } = await run();
      const left = throwAwayKeys();
      expect(left).toHaveLength(2);
      for (const id of left)
        expect(err).toMatch(
          new RegExp(`Key ${id}, named vtv-probe-[0-9a-f]{12}-\\d, may still exist: ${why}`),
        );
      expect(err).toContain("2 throw-away keys may still exist");
      expect(err).toMatch(/\nhint: run the command again/);
      expect(status).toBe(1);
      expect(report).toMatchObject({ keysLeft: 2 });
      expect(clock - Date.UTC(2026, 10, 24, 12)).toBeLessThan(8 * 60_000);
    });

    it("if CreateKey was not answered and its key is never listed", async () => {
      await start({
        fault: (method, n) => (method === "CreateKey" && n === 1 ? { drop: "before" } : undefined),
      });
      const { status, err } = await run();
      expect(err).toMatch(
        /Key of unknown id, named vtv-probe-\w+-1, may still exist: CreateKey gave no key id/,
      );
      expect(status).toBe(1);
    });
  });

  describe("creates no key", () => {
    it.each([
      ["without --credentials", ["admin", "probe"], {}, "--credentials"],
      [
        "over an unencrypted connection",
        ["admin", "probe", "--credentials", "-"],
        { VOXIMPLANT_API_URL: "http://api.voximplant.com/platform_api" },
        "must be https",
      ],
      [
        "with a file that does not exist",
        ["admin", "probe", "--credentials", "/nonexistent/key.json"],
        {},
        "cannot read /nonexistent/key.json",
      ],
      [
        "with an output in a folder that does not exist",
        ["admin", "probe", "--credentials", "-", "--out", "/nonexistent/probe.json"],
        {},
        "cannot write /nonexistent/probe.json",
      ],
      [
        "with a child account that is not a number",
        ["admin", "probe", "--credentials", "-", "--child", "x"],
        {},
        "whole number",
      ],
    ])("%s: exits with 2", async (_, args, env, message) => {
      await start();
      const io = fakeIo({ env: { VOXIMPLANT_API_URL: api.apiUrl, ...env } });
      expect(await runVoxtoken(args, io)).toBe(2);
      expect(io.err()).toContain(message);
      expect(api.calls).toHaveLength(0);
    });

    it("if the output file exists, and leaves that file unchanged", async () => {
      await start();
      await writeFile(join(folder, "probe.json"), '{"answers": []}');
      const { status, err, written } = await run();
      expect(err).toContain("exists already");
      expect({ status, written }).toEqual({ status: 2, written: '{"answers": []}' });
      expect(api.calls).toHaveLength(0);
    });

    it("if the input is not a credentials file", async () => {
      await start();
      const io = fakeIo({ env: { VOXIMPLANT_API_URL: api.apiUrl }, input: pem });
      expect(await runVoxtoken(["admin", "probe", "--credentials", "-"], io)).toBe(1);
      expect(io.err()).toContain("not a usable credentials file");
      expect(io.err()).not.toContain("PRIVATE");
    });

    it("if the platform refuses the given key", async () => {
      await start();
      api.keys.delete(GIVEN);
      const { status, err } = await run();
      expect(status).toBe(1);
      expect(err).toContain("the platform refuses the given key (HTTP 200, error 433)");
      expect(api.calls.map(({ method }) => method)).not.toContain("CreateKey");
    });

    it("if the account is full, and reports that", async () => {
      await start({ keyLimit: 2 });
      const { status, err, report } = await run();
      expect(status).toBe(1);
      expect(err).toContain("no throw-away key could be used: CreateKey: HTTP 200, error 437");
      expect(report?.answers.every(({ answer }) => answer === undefined)).toBe(true);
      expectOnlyForeignKeys();
    });
  });

  it("reads the credentials file from stdin, and shows progress only on a terminal", async () => {
    await start();
    let err = "";
    const stderr = { isTerminal: true, write: (text: string) => void (err += text) };
    const io = fakeIo({
      env: { VOXIMPLANT_API_URL: api.apiUrl },
      input: credentialsFile(GIVEN, pem),
      now: () => clock,
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, 50)).then(() => void (clock += ms)),
      fetch,
      stderr,
    });
    expect(await runVoxtoken(["admin", "probe", "--credentials", "-"], io)).toBe(0);
    expect(err).toMatch(/\/\d+ waiting for the new key/);
    expect(err.replace(/[^\x20-\x7e]/g, "")).not.toContain("PRIVATE KEY");
  });
});
