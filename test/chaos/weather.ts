import type { Fault, FaultInjector } from "../../local/fault.ts";

/**
 * What the stand-in for Secrets Manager, or the one for the Management API, does to its clients.
 */
export type Place = "secrets" | "voximplant";

interface Kind {
  readonly name: string;
  /** Undefined: this kind does not exist for the operation. */
  readonly fault: (operation: string) => Fault | undefined;
}

/**
 * Longer than every client waits. The call is executed after that, as one that was delayed on its
 * way.
 */
const HANG_MS = 30_000;

const between = (least: number, most: number) => least + Math.random() * (most - least);

const network: readonly Kind[] = [
  { name: "hangs", fault: () => ({ delayMs: HANG_MS }) },
  { name: "is slow", fault: () => ({ delayMs: between(300, 2_500) }) },
  { name: "resets before it executes", fault: () => ({ drop: "before" }) },
  { name: "executes and resets", fault: () => ({ drop: "after" }) },
  { name: "answers 502 with a page", fault: () => ({ status: 502, body: "<html>Bad Gateway</html>" }) },
];

const awsError = (status: number, type: string): Fault => ({
  status,
  headers: { "Content-Type": "application/x-amz-json-1.1" },
  body: JSON.stringify({ __type: type, Message: "Injected." }),
});
const awsAnswer = (body: object): Fault => ({ ...awsError(200, ""), body: JSON.stringify(body) });
const secretOf = (value: string) => (operation: string) =>
  operation === "GetSecretValue"
    ? awsAnswer({ Name: "x", VersionId: "00000000-0000-4000-8000-000000000000", SecretString: value })
    : undefined;

const answer = (status: number, body: object): Fault => ({
  status,
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

const kinds: Readonly<Record<Place, readonly Kind[]>> = {
  secrets: [
    ...network,
    { name: "throttles", fault: () => awsError(400, "ThrottlingException") },
    { name: "fails", fault: () => awsError(500, "InternalServiceError") },
    { name: "denies access", fault: () => awsError(400, "AccessDeniedException") },
    { name: "lies: an empty answer", fault: () => awsAnswer({}) },
    { name: "lies: a page with status 200", fault: () => ({ status: 200, body: "<html>Welcome</html>" }) },
    { name: "lies: a value that is no key", fault: secretOf('{"account_id":1234567,"key_id":"k"}') },
    {
      name: "lies: a value cut in the middle",
      fault: secretOf('{"account_id":1234567,"private_key":"-----BEG'),
    },
  ],
  voximplant: [
    ...network,
    { name: "throttles", fault: () => answer(429, { error: { code: 340, msg: "Rate limit exceeded" } }) },
    { name: "fails", fault: () => answer(500, { error: { code: 0, msg: "Internal error" } }) },
    { name: "lies: done", fault: () => answer(200, { result: 1 }) },
    { name: "lies: an empty list", fault: () => answer(200, { result: [], count: 0, total_count: 0 }) },
    { name: "lies: no such key", fault: () => answer(200, { error: { code: 433, msg: "no such key" } }) },
    { name: "lies: an empty answer", fault: () => answer(200, {}) },
    { name: "lies: a page with status 200", fault: () => ({ status: 200, body: "<html>Welcome</html>" }) },
  ],
};

/**
 * Of the calls during a storm. The others get through, so that an operation also fails half-way.
 */
const SHARE_OF_CALLS = 0.5;

export interface Weather {
  /** For the stack's option `faults`. */
  readonly faults: Readonly<Record<Place, FaultInjector>>;
  /** From now on, a few kinds of faults are chosen for each place, or none for the place. */
  change(kindsOf: Readonly<Record<Place, number>>): void;
  /** Whether a fault was injected at one of these places since then, in milliseconds since 1970. */
  hitSince(time: number, places: readonly Place[]): boolean;
  /** What is on now, for the progress. */
  describe(): string;
  /** How often each kind was injected: `secrets hangs`. */
  readonly counts: ReadonlyMap<string, number>;
}

/** @param spared operations that never get a fault */
export function createWeather(spared: readonly string[]): Weather {
  const current: Record<Place, readonly Kind[]> = { secrets: [], voximplant: [] };
  const lastHit: Record<Place, number> = { secrets: 0, voximplant: 0 };
  const counts = new Map<string, number>();

  const injector =
    (place: Place): FaultInjector =>
    (operation) => {
      const isSpared = spared.includes(operation) || Math.random() >= SHARE_OF_CALLS;
      if (isSpared || current[place].length === 0) return undefined;
      const kind = anyOf(current[place]);
      const fault = kind.fault(operation);
      if (fault === undefined) return undefined;
      const name = `${place} ${kind.name}`;
      counts.set(name, (counts.get(name) ?? 0) + 1);
      lastHit[place] = Date.now();
      return fault;
    };

  const places = Object.keys(kinds) as Place[];
  return {
    faults: { secrets: injector("secrets"), voximplant: injector("voximplant") },
    change: (kindsOf) => {
      for (const place of places) {
        current[place] = Array.from({ length: kindsOf[place] }, () => anyOf(kinds[place]));
      }
    },
    hitSince: (time, where) => where.some((place) => lastHit[place] >= time),
    describe: () =>
      places
        .filter((place) => current[place].length > 0)
        .map((place) => `${place} ${current[place].map(({ name }) => name).join(" or ")}`)
        .join("; ") || "calm",
    counts,
  };
}

/** @throws Error the list is empty */
export function anyOf<T>(list: readonly T[]): T {
  const [one] = list.slice(Math.floor(Math.random() * list.length));
  if (one === undefined) throw new Error("There is nothing to choose from.");
  return one;
}
