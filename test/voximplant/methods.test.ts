import { describe, expect, it } from "vitest";

import type { Connection } from "../../lib/voximplant/connection.ts";
import { openManagementApi } from "../../lib/voximplant/methods.ts";

/** Answers each method by what the test says, and keeps the calls. */
function open(answer: (method: string, parameters: Record<string, string>) => unknown) {
  const calls: { method: string; parameters: Record<string, string> }[] = [];
  const connection = {
    url: "https://api.example/platform_api/",
    fetch: async (input, init) => {
      const request = new Request(input, init);
      const method = new URL(request.url).pathname.split("/").at(-1) ?? "";
      const parameters = Object.fromEntries(new URLSearchParams(await request.text()));
      calls.push({ method, parameters });
      return Response.json(answer(method, parameters));
    },
    now: () => 0,
    sleep: () => Promise.resolve(),
    random: () => 1,
  } satisfies Connection;
  return { api: openManagementApi(connection, () => ({ token: "a.b.c" })), calls };
}

const created = { account_id: 1, account_email: "a@example.com", key_id: "k-1", private_key: "PEM" };

describe("the methods of the Management API", () => {
  it.each([
    ["an object, as documented", created],
    ["an array, as four official clients type it", [created]],
  ])("accept the result of CreateKey as %s", async (_, result) => {
    const { api, calls } = open(() => ({ result }));
    await expect(api.createKey({ name: "n", description: "d" })).resolves.toEqual(created);
    expect(calls).toEqual([{ method: "CreateKey", parameters: { key_name: "n", description: "d" } }]);
  });

  it("name the field of an undocumented answer, and never its value", async () => {
    const { api } = open(() => ({ result: { ...created, key_id: 7 } }));
    const error = await api.createKey({ name: "n", description: "d" }).catch((e: unknown) => e);
    expect(String(error)).toContain("result");
    expect(String(error)).not.toContain("PEM");
  });

  it("read a list to its end if pages are smaller than requested", async () => {
    const keys = Array.from({ length: 7 }, (_, n) => ({ key_id: `k-${n}`, key_name: null, description: "" }));
    const { api, calls } = open((_, { offset }) => ({
      result: keys.slice(Number(offset), Number(offset) + 3),
    }));
    await expect(api.getKeys()).resolves.toEqual(keys);
    expect(calls.map(({ parameters }) => parameters["offset"])).toEqual(["0", "3", "6", "7"]);
  });

  it("fail if the platform ignores the offset", async () => {
    const { api } = open(() => ({ result: [{ key_id: "k" }] }));
    await expect(api.getKeys()).rejects.toThrow("does not end");
  });

  it("report a key as absent if the platform accepts the calling key", async () => {
    const { api } = open((method) =>
      method === "DeleteKey"
        ? { error: { code: 433, msg: "Invalid key id." } }
        : { result: { account_id: 1 } },
    );
    await expect(api.deleteKey("k")).resolves.toBe("absent");
  });

  it("fail if error 433 may concern the calling key", async () => {
    const { api } = open(() => ({ error: { code: 433, msg: "Invalid key id." } }));
    await expect(api.deleteKey("k")).rejects.toThrow("433");
  });

  it("find the rules bound to a key in every application, and no others", async () => {
    const { api } = open((method, { application_id }) =>
      method === "GetApplications"
        ? { result: [{ application_id: 1 }, { application_id: 2 }], total_count: 2 }
        : {
            result: [
              { rule_id: Number(application_id) * 10, rule_name: "in", bind_key_id: "k" },
              { rule_id: Number(application_id) * 10 + 1, rule_name: "out", bind_key_id: "other" },
            ],
            total_count: 2,
          },
    );
    const rules = await api.getRulesBoundTo("k");
    expect(rules.map(({ rule_id }) => rule_id)).toEqual([10, 20]);
  });

  it("ask for the rules of five applications at once, and of no more once the time is over", async () => {
    const { api, calls } = open((method) =>
      method === "GetApplications"
        ? { result: Array.from({ length: 12 }, (_, id) => ({ application_id: id })), total_count: 12 }
        : { result: [], total_count: 0 },
    );
    const requests = () => calls.filter(({ method }) => method === "GetRules").length;
    const seen: number[] = [];
    await api.getRulesBoundTo("k", () => void seen.push(requests()));
    expect([...seen, requests()]).toEqual([0, 5, 10, 12]);
    const late = new Error("no more time");
    const checkTime = () => {
      if (requests() >= 17) throw late;
    };
    await expect(api.getRulesBoundTo("k", checkTime)).rejects.toBe(late);
    expect(requests()).toBe(17);
  });
});
