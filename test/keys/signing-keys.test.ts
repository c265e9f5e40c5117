import { beforeEach, describe, expect, it } from "vitest";

import { type FetchSecret, SecretUnavailableError } from "../../lib/keys/fetch-secret.ts";
import { type GetSigningKey, holdSigningKeys } from "../../lib/keys/signing-keys.ts";
import { makeEcPem, makeKeyFile, makeRsaPem } from "../fakes/credentials.ts";
import { rsaPem } from "../fakes/rsa-keys.ts";

const ttlSeconds = 300;
const maxStaleSeconds = 3600;
const secret = "voximplant/outbound-calls";
const pem = rsaPem();
const first = JSON.stringify(makeKeyFile({ key_id: "key-1", private_key: pem }));
const second = JSON.stringify(makeKeyFile({ key_id: "key-2", private_key: pem }));

const outage = () => new SecretUnavailableError(secret, new Error("socket hang up"));
const withdrawal = (name: string) =>
  new SecretUnavailableError(secret, Object.assign(new Error("no"), { name }));

/** Secrets Manager as a script: what it answers now, and how often it was asked. */
let answer: () => Promise<string>;
let fetches: string[];
let now: number;
let getKey: GetSigningKey;

const advance = (seconds: number) => (now += seconds * 1000);
const keyId = async () => {
  const outcome = await getKey(secret);
  return outcome.state === "unavailable"
    ? outcome.state
    : `${outcome.state} ${outcome.held.signingKey.keyId}`;
};

beforeEach(() => {
  answer = () => Promise.resolve(first);
  fetches = [];
  now = Date.UTC(2026, 10, 24, 12);
  const fetchSecret: FetchSecret = async (name) => {
    fetches.push(name);
    return { value: await answer(), versionId: `version-${fetches.length}`, createdAt: 1_795_000_000_000 };
  };
  getKey = holdSigningKeys({
    fetchSecret,
    ttlSeconds,
    maxStaleSeconds,
    now: () => now,
    random: drawOnce(0),
  });
});

/** The jitter of the TTL is drawn first; the jitter of every pause is as large as it can be. */
function drawOnce(first: number): () => number {
  let drawn = false;
  return () => {
    if (drawn) return 0.999_999;
    drawn = true;
    return first;
  };
}

describe("the TTL of a container", () => {
  const refetchesAfter = async (random: number) => {
    const container = holdSigningKeys({
      fetchSecret: (name) => {
        fetches.push(name);
        return Promise.resolve({ value: first, versionId: "v" });
      },
      ttlSeconds,
      maxStaleSeconds,
      now: () => now,
      random: drawOnce(random),
    });
    const start = now;
    await container(secret);
    const asked = fetches.length;
    while (fetches.length === asked) {
      advance(1);
      await container(secret);
    }
    return (now - start) / 1000;
  };

  it.each([
    [0, 300],
    [0.5, 285],
    [0.999_999, 271],
  ])("is shortened by up to a tenth with one random number: %d gives %d s", async (random, seconds) => {
    expect(await refetchesAfter(random)).toBe(seconds);
  });
});

describe("a key fetched from Secrets Manager", () => {
  it("is used without another fetch until it is as old as the TTL", async () => {
    await getKey(secret);
    advance(ttlSeconds - 0.001);
    expect(await keyId()).toBe("fresh key-1");
    expect(fetches).toHaveLength(1);

    advance(0.001);
    expect(await keyId()).toBe("fresh key-1");
    expect(fetches).toHaveLength(2);
  });

  it("is replaced within the TTL after a rotation", async () => {
    await getKey(secret);
    answer = () => Promise.resolve(second);
    expect(await keyId()).toBe("fresh key-1");
    advance(ttlSeconds);
    expect(await keyId()).toBe("fresh key-2");
  });

  it("has its version and its times for the audit record", async () => {
    expect(await getKey(secret)).toMatchObject({
      state: "fresh",
      held: {
        secretVersionId: "version-1",
        createdAt: 1_795_000_000_000,
        fetchedAt: now,
        signingKey: { accountId: 1234567 },
      },
    });
  });

  it("is fetched once for concurrent requests", async () => {
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => keyId()));
    expect(new Set(outcomes)).toEqual(new Set(["fresh key-1"]));
    expect(fetches).toHaveLength(1);
  });

  it("is used for its own secret only", async () => {
    await getKey(secret);
    await getKey("voximplant/call-history");
    expect(fetches).toEqual([secret, "voximplant/call-history"]);
  });

  it("is fetched again after the clock was set back", async () => {
    await getKey(secret);
    advance(-3600);
    await getKey(secret);
    expect(fetches).toHaveLength(2);
  });
});

describe("a signing key while Secrets Manager fails", () => {
  const fail = () => (answer = () => Promise.reject(outage()));

  it("is used as stale, with the reason, up to the stale limit", async () => {
    await getKey(secret);
    fail();
    advance(ttlSeconds + maxStaleSeconds - 0.001);
    expect(await getKey(secret)).toMatchObject({
      state: "stale",
      detail: `secret ${secret}: socket hang up`,
      held: { signingKey: { keyId: "key-1" } },
    });
  });

  it("is not used beyond the stale limit", async () => {
    await getKey(secret);
    fail();
    advance(ttlSeconds + maxStaleSeconds);
    expect(await keyId()).toBe("unavailable");
  });

  it("is unavailable if none was fetched before, with the time to try again", async () => {
    fail();
    expect(await getKey(secret)).toEqual({
      state: "unavailable",
      reason: "signing_key_unavailable",
      retryAfterSeconds: 1,
      detail: `secret ${secret}: socket hang up`,
    });
  });

  it("is fetched again only after a pause that doubles up to 30 s", async () => {
    fail();
    const pauses: number[] = [];
    await getKey(secret);
    for (let failures = 1; failures <= 10; failures++) {
      const asked = fetches.length;
      const since = now;
      while (fetches.length === asked) {
        advance(0.05);
        await getKey(secret);
      }
      pauses.push((now - since) / 1000);
    }
    expect(pauses).toEqual([0.25, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]);
  });

  it("is unavailable during a pause, with the rest of the pause as the time to try again", async () => {
    fail();
    for (let failures = 0; failures < 9; failures++) {
      await getKey(secret);
      advance(30);
    }
    await getKey(secret);
    advance(10);
    expect(await getKey(secret)).toMatchObject({ state: "unavailable", retryAfterSeconds: 20 });
  });

  it("is replaced by the first answer after a recovery, which resets the pause", async () => {
    fail();
    await getKey(secret);
    answer = () => Promise.resolve(first);
    advance(1);
    expect(await keyId()).toBe("fresh key-1");

    fail();
    advance(ttlSeconds);
    expect(await keyId()).toBe("stale key-1");
    answer = () => Promise.resolve(second);
    advance(0.25);
    expect(await keyId()).toBe("fresh key-2");
  });

  it("does not hide a fault of the code as an outage", async () => {
    answer = () => Promise.reject(new TypeError("x is not a function"));
    await expect(getKey(secret)).rejects.toBeInstanceOf(TypeError);
  });

  it("has the same outcome for all requests that wait for a failing fetch", async () => {
    fail();
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => keyId()));
    expect(outcomes.every((outcome) => outcome === "unavailable")).toBe(true);
    expect(fetches).toHaveLength(1);
  });

  it("is fetched with a wait for a slow answer instead of being used as stale", async () => {
    await getKey(secret);
    advance(ttlSeconds);
    answer = () => new Promise((resolve) => setImmediate(resolve, second));
    expect(await keyId()).toBe("fresh key-2");
  });
});

describe("a key whose secret was withdrawn", () => {
  it.each([
    "ResourceNotFoundException",
    "AccessDeniedException",
    "InvalidRequestException",
    "DecryptionFailure",
  ])("is dropped at once, before the stale limit: %s", async (name) => {
    await getKey(secret);
    answer = () => Promise.reject(withdrawal(name));
    advance(ttlSeconds);
    expect(await keyId()).toBe("unavailable");
  });

  it.each(["InternalServiceError", "ThrottlingException", "TimeoutError"])(
    "is not assumed after %s",
    async (name) => {
      await getKey(secret);
      answer = () => Promise.reject(withdrawal(name));
      advance(ttlSeconds);
      expect(await keyId()).toBe("stale key-1");
    },
  );
});

describe("a secret that is not a credentials file", () => {
  it.each([
    ["text", "not JSON", /file: not JSON/],
    [
      "a file without its key",
      JSON.stringify({ ...makeKeyFile({ private_key: pem }), private_key: 1 }),
      /private_key/,
    ],
    ["a 1024-bit key", JSON.stringify(makeKeyFile({ private_key: makeRsaPem(1024) })), /this key has 1024/],
    ["an EC key", JSON.stringify(makeKeyFile({ private_key: makeEcPem() })), /this one is ec/],
  ])(
    "causes an error with the secret, version and field, even if a key was cached: %s",
    async (_, value, message) => {
      await getKey(secret);
      answer = () => Promise.resolve(value);
      advance(ttlSeconds);
      await expect(getKey(secret)).rejects.toMatchObject({
        name: "MalformedSecretError",
        message: expect.stringMatching(message) as string,
      });
      await expect(getKey(secret)).rejects.toThrow(/secret voximplant\/outbound-calls, version version-2/);
      expect(fetches).toHaveLength(2);
    },
  );

  it("is read again after the pause", async () => {
    answer = () => Promise.resolve("broken");
    await expect(getKey(secret)).rejects.toThrow();
    answer = () => Promise.resolve(first);
    advance(0.25);
    expect(await keyId()).toBe("fresh key-1");
  });
});

describe("a key that the platform has refused", () => {
  const keyIdAfterRefusal = async (refused: string) => {
    const outcome = await getKey(secret, refused);
    return outcome.state === "unavailable" ? outcome.state : outcome.held.signingKey.keyId;
  };

  it("is fetched again, so that a revoked key is replaced at once", async () => {
    await getKey(secret);
    answer = () => Promise.resolve(second);
    advance(10);
    expect(await keyIdAfterRefusal("key-1")).toBe("key-2");
    expect(fetches).toHaveLength(2);
  });

  it("is not fetched again within ten seconds, so that callers without a role cost no fetch each", async () => {
    await getKey(secret);
    advance(9.9);
    expect(await keyIdAfterRefusal("key-1")).toBe("key-1");
    advance(0.1);
    await keyIdAfterRefusal("key-1");
    advance(9.9);
    await keyIdAfterRefusal("key-1");
    expect(fetches).toHaveLength(2);
  });

  it("is not fetched again if another key is held by now", async () => {
    await getKey(secret);
    advance(60);
    expect(await keyIdAfterRefusal("key-0")).toBe("key-1");
    expect(fetches).toHaveLength(1);
  });

  it("stays in use while Secrets Manager is unreachable", async () => {
    await getKey(secret);
    answer = () => Promise.reject(outage());
    advance(10);
    expect(await keyIdAfterRefusal("key-1")).toBe("key-1");
    expect(await keyId()).toBe("fresh key-1");
  });
});
