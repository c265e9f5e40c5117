import { once, setMaxListeners } from "node:events";
import { Agent, type IncomingMessage, request as httpRequest } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { versionWithStage } from "../../local/secrets-manager/secret.ts";
import { type Stack, startStack } from "../../local/stack.ts";
import { type Given, judge, leakInAnswer, leakInLog, type Trouble } from "./judge.ts";
import { type Planned, planRequest, type Raw } from "./requests.ts";
import { anyOf, createWeather, type Weather } from "./weather.ts";

export interface StormOptions {
  readonly seconds: number;
  /** Called about once a minute. */
  readonly onProgress: (report: Report, weather: string) => void;
}

/** What was done and seen. The last part must stay empty. */
export interface Report {
  /** Sent requests, by kind. */
  readonly requests: Map<string, number>;
  /** Requests that were refused and had to be. */
  refused: number;
  tokens: number;
  /** Tokens shown to the platform, at once and again later in their life. */
  readonly shown: { atOnce: number; later: number };
  /** Allowed requests that failed while something was broken, by status and code. */
  readonly failures: Map<string, number>;
  readonly faults: ReadonlyMap<string, number>;
  /** By function. */
  readonly kills: Map<string, number>;
  rotations: number;
  /** Versions that became current. */
  rotated: number;
  reconciliations: number;
  keysMade: number;
  keysDeleted: number;
  /** Bytes of a function's heap in the second half, by function. */
  readonly heap: Map<string, number[]>;

  readonly refusedTokens: string[];
  readonly wrongAnswers: string[];
  readonly leaks: string[];
  /** Calls of StartScenarios that ran more than once. */
  readonly ranTwice: string[];
  /** What did not work again after the storm. */
  readonly notRecovered: string[];
}

const CALLERS = 8;
const PAUSE_MS = 500;
/**
 * After a fault, the functions pause for at most 30 s before they fetch a key again; a call that
 * hung is executed after 30 s.
 */
const AFTERMATH_MS = 35_000;
/** A new container fetches its keys first. */
const AFTER_KILL_MS = 5_000;
/** Only the judge calls it, to see whether the platform accepts a token. */
const JUDGES_METHOD = "GetCallHistory";

/**
 * Parts of the run. The heap of a new container grows by about a tenth in its first thousands of
 * requests, until its code is compiled. So the functions that serve requests are killed in the
 * first quarter only, and measured in the second half.
 */
const KILLS_END = 1 / 4;
const MEASURES_BEGIN = 1 / 2;

const SERVED = ["vend-token", "call-method"];
const KEY_FUNCTIONS = ["rotate-key", "reconcile-keys"];

/**
 * Runs the local stack under load, with faults at the stand-ins, rotations, and containers that are
 * killed, and judges every answer.
 */
export async function runStorm({ seconds, onProgress }: StormOptions): Promise<Report> {
  const weather = createWeather([JUDGES_METHOD]);
  const report = emptyReport(weather);
  const stack = await startStack({
    // Keys are fetched every other second, so that faults meet the fetch.
    env: { SIGNING_KEY_TTL_SECONDS: "2", SIGNING_KEY_MAX_STALE_SECONDS: "20" },
    faults: weather.faults,
    standIns: {
      secrets: { readLagMs: 1_000 },
      voximplant: {
        keyLimit: 1_000,
        lag: { acceptanceMs: 2_000, lookupMs: 1_000, listMs: 3_000 },
        deletionLag: { acceptanceMs: 2_000, listMs: 3_000 },
      },
    },
    onLine: (line) => {
      const leak = leakInLog(line);
      if (leak !== undefined) report.leaks.push(`${leak} in a line of a log`);
    },
  });
  try {
    const storm = new Storm(stack, weather, report, seconds * 1000, onProgress);
    await storm.run();
  } finally {
    await stack.close();
  }
  return report;
}

function emptyReport(weather: Weather): Report {
  return {
    requests: new Map(),
    refused: 0,
    tokens: 0,
    shown: { atOnce: 0, later: 0 },
    failures: new Map(),
    faults: weather.counts,
    kills: new Map(),
    rotations: 0,
    rotated: 0,
    reconciliations: 0,
    keysMade: 0,
    keysDeleted: 0,
    heap: new Map(SERVED.map((name) => [name, []])),
    refusedTokens: [],
    wrongAnswers: [],
    leaks: [],
    ranTwice: [],
    notRecovered: [],
  };
}

class Storm {
  readonly #stack: Stack;
  readonly #weather: Weather;
  readonly #report: Report;
  readonly #onProgress: StormOptions["onProgress"];
  readonly #ms: number;
  readonly #end = new AbortController();
  // A connection for each request: one that is kept may be closed by the server as it is used
  // again.
  readonly #agent = new Agent({ keepAlive: false });
  readonly #later: Promise<void>[] = [];
  #lastKill = 0;

  constructor(
    stack: Stack,
    weather: Weather,
    report: Report,
    ms: number,
    onProgress: StormOptions["onProgress"],
  ) {
    this.#stack = stack;
    this.#weather = weather;
    this.#report = report;
    this.#ms = ms;
    this.#onProgress = onProgress;
    setMaxListeners(0, this.#end.signal);
  }

  async run(): Promise<void> {
    const ending = wait(this.#ms).then(() => {
      this.#end.abort();
    });
    // In a short storm, everything happens more often.
    const step = Math.min(1, 0.2 + this.#ms / 3_600_000);
    await Promise.all([
      ending,
      ...Array.from({ length: CALLERS }, () => this.#repeat(0, PAUSE_MS, () => this.#oneRequest())),
      this.#changeWeather(),
      this.#repeat(20_000 * step, 60_000 * step, () => this.#rotate()),
      this.#repeat(60_000 * step, 120_000 * step, () => this.#reconcile()),
      this.#repeat(15_000 * step, 45_000 * step, () => this.#kill()),
      this.#repeat(25_000 * step, 35_000 * step, () => this.#measure()),
      this.#repeat(60_000, 60_000, () => {
        this.#onProgress(this.#report, this.#weather.describe());
      }),
    ]);
    this.#weather.change({ secrets: 0, voximplant: 0 });
    await this.#recover();
    await Promise.all(this.#later);
    this.#agent.destroy();
    this.#count();
  }

  async #repeat(leastMs: number, mostMs: number, act: () => Promise<void> | void): Promise<void> {
    while (await this.#pause(leastMs + Math.random() * (mostMs - leastMs))) await act();
  }

  /** @returns whether the storm goes on; false at once when it ends. */
  async #pause(ms: number): Promise<boolean> {
    const { signal } = this.#end;
    // It rejects when the storm ends.
    await wait(Math.max(0, ms), undefined, { signal }).catch(() => undefined);
    return !signal.aborted;
  }

  /** Storms, and between them calms that are long enough to see that everything works again. */
  async #changeWeather(): Promise<void> {
    do {
      this.#weather.change(
        anyOf([
          { secrets: 1, voximplant: 0 },
          { secrets: 0, voximplant: 1 },
          { secrets: 2, voximplant: 2 },
          { secrets: 1, voximplant: 1 },
        ]),
      );
      if (!(await this.#pause(15_000 + Math.random() * 30_000))) return;
      this.#weather.change({ secrets: 0, voximplant: 0 });
    } while (await this.#pause(anyOf([2_000, 10_000, 90_000])));
  }

  async #oneRequest(): Promise<void> {
    const { url, identities } = this.#stack;
    const planned = await planRequest(url, identities);
    add(this.#report.requests, planned.kind);
    const startedAt = Date.now();
    let given: Given;
    try {
      given = await this.#send(planned.request);
    } catch (error) {
      this.#report.wrongAnswers.push(`${planned.kind}: no answer: ${String(error)}`);
      return;
    }
    this.#judge(planned, given, startedAt);
  }

  #judge(planned: Planned, given: Given, startedAt: number): void {
    const report = this.#report;
    const since = startedAt - AFTERMATH_MS;
    const trouble: Trouble = {
      secrets: this.#weather.hitSince(since, ["secrets"]),
      voximplant: this.#weather.hitSince(since, ["voximplant"]),
      killed: this.#lastKill >= startedAt - AFTER_KILL_MS,
    };
    const verdict = judge(planned.expect, given, trouble, Date.now());
    if (verdict.kind === "wrong") report.wrongAnswers.push(`${planned.kind}: ${verdict.why}`);
    if (verdict.kind === "failed") add(report.failures, verdict.code);
    if (verdict.kind === "right" && planned.expect.what === "refusal") report.refused += 1;
    if (verdict.kind === "right" && verdict.token !== undefined) {
      report.tokens += 1;
      this.#later.push(this.#show(verdict.token, planned));
    }
    if (verdict.kind === "right" && planned.expect.what === "token") return;
    const leak = leakInAnswer(given.body);
    if (leak !== undefined) report.leaks.push(`${leak} in an answer to ${planned.kind}`);
  }

  /** To the platform, at once; every tenth token again later in its life. */
  async #show(token: string, { kind, expect }: Planned): Promise<void> {
    const { shown } = this.#report;
    await this.#present(token, kind);
    shown.atOnce += 1;
    if (Math.random() > 0.1 || expect.what !== "token") return;
    if (!(await this.#pause(expect.asked.ttlSeconds * 1000 * Math.random() * 0.9))) return;
    await this.#present(token, `${kind}, later`);
    shown.later += 1;
  }

  async #present(token: string, kind: string): Promise<void> {
    const { apiUrl, fetch } = this.#stack.managementApi;
    const answer = await fetch(`${apiUrl}/${JUDGES_METHOD}`, {
      method: "POST",
      headers: { Authorization: `Bearer ${token}` },
    });
    const { error } = (await answer.json()) as { error?: { code: number; msg: string } };
    if (error) this.#report.refusedTokens.push(`${kind}: ${error.code} ${error.msg}`);
  }

  async #send({ method, path, headers, body }: Raw): Promise<Given> {
    const outgoing = httpRequest(this.#stack.url, {
      method,
      path,
      headers: { ...headers, "Content-Length": Buffer.byteLength(body) },
      agent: this.#agent,
    });
    outgoing.end(body);
    const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
    incoming.setEncoding("utf8");
    let text = "";
    for await (const chunk of incoming) text += String(chunk);
    return { status: incoming.statusCode ?? 0, headers: incoming.headers, body: text };
  }

  #secretsManager() {
    const { secretsManager } = this.#stack;
    if (secretsManager === undefined) throw new Error("the stack has no stand-in for Secrets Manager");
    return secretsManager;
  }

  /** As its schedule does. Where one is not complete, Secrets Manager goes on with it. */
  async #rotate(name = anyOf([...this.#secretsManager().secrets.keys()])): Promise<void> {
    const report = this.#report;
    const before = this.#currentVersion(name);
    report.rotations += 1;
    // It rejects by a fault, or because the last rotation is not complete: that one then goes on.
    await this.#secretsManager()
      .call("RotateSecret", { SecretId: name })
      .catch(() => undefined);
    await this.#secretsManager().rotationsSettled();
    if (this.#currentVersion(name) !== before) report.rotated += 1;
  }

  #currentVersion(name: string): string | undefined {
    const secret = this.#secretsManager().secrets.get(name);
    return secret && versionWithStage(secret, "AWSCURRENT")?.id;
  }

  async #reconcile(): Promise<void> {
    this.#report.reconciliations += 1;
    // Its findings and failures are in the log; what counts here is what it does to tokens.
    await this.#stack.reconcile().catch(() => undefined);
  }

  async #kill(): Promise<void> {
    const name = anyOf(this.#progress() > KILLS_END ? KEY_FUNCTIONS : [...SERVED, ...KEY_FUNCTIONS]);
    if (SERVED.includes(name)) this.#lastKill = Date.now();
    await this.#stack.containers.kill(name);
    add(this.#report.kills, name);
  }

  readonly #startedAt = Date.now();

  /** From 0 to 1. */
  #progress(): number {
    return (Date.now() - this.#startedAt) / this.#ms;
  }

  async #measure(): Promise<void> {
    if (this.#progress() < MEASURES_BEGIN) return;
    for (const [name, samples] of this.#report.heap) {
      samples.push(await this.#stack.containers.heapBytes(name));
    }
  }

  /**
   * After the last fault: each key can be rotated, its tokens are accepted, and the run ends well.
   */
  async #recover(): Promise<void> {
    await wait(AFTERMATH_MS);
    const { notRecovered } = this.#report;
    for (const name of this.#secretsManager().secrets.keys()) {
      const before = this.#currentVersion(name);
      // The first one may complete a rotation that the storm has interrupted.
      await this.#rotate(name);
      await this.#rotate(name);
      if (this.#currentVersion(name) === before) notRecovered.push(`${name} has not been rotated`);
    }
    const result = await this.#stack.reconcile().catch((error: unknown) => String(error));
    if (typeof result === "string") notRecovered.push(`reconciliation: ${result}`);
    for (let n = 0; n < 100; n += 1) await this.#oneRequest();
  }

  #count(): void {
    const report = this.#report;
    const { calls } = this.#stack.managementApi;
    const ran = calls.filter(({ error }) => error === undefined);
    const times = (method: string) => ran.filter((call) => call.method === method).length;
    report.keysMade = times("CreateKey");
    report.keysDeleted = times("DeleteKey");
    const seen = new Set<string>();
    for (const { method, parameters } of ran) {
      const callId = method === "StartScenarios" ? parameters.get("script_custom_data") : undefined;
      if (callId === undefined) continue;
      if (seen.has(callId)) report.ranTwice.push(callId);
      seen.add(callId);
    }
  }
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
