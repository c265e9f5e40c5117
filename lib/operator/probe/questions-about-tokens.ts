import { randomUUID } from "node:crypto";

import { type Answer, answered, NOTHING_TO_SET, replyAnswer, replyFacts } from "./answer.ts";
import { describe, NoAnswerError, type Reply } from "./ask.ts";
import { plainClaims, sign, type Signer } from "./signer.ts";
import { askAsGiven, type Probe, tryToken, withAcceptedKey } from "./with-key.ts";

export async function askIss(probe: Probe): Promise<Answer> {
  return withAcceptedKey(probe, async ({ signer }) => {
    const { accountId } = signer.signingKey;
    const tryIss = async (iss: number | string) =>
      tryToken(probe, await sign(signer, plainClaims(iss, probe.connection.now())));
    const [number, string] = [await tryIss(accountId), await tryIss(String(accountId))];
    const say = (reply: Reply) => (reply.accepted ? "yes" : `no (${describe(reply)})`);
    return answered(
      `number: ${say(number)}; string: ${say(string)}`,
      number.accepted
        ? NOTHING_TO_SET
        : "no setting helps: vended tokens have a numeric iss; please report it",
      { number: number.accepted, string: string.accepted },
    );
  });
}

export async function askClaims(probe: Probe): Promise<Answer> {
  const sub = "arn:aws:iam::111122223333:role/voxtoken-probe";
  const jti = randomUUID();
  return withAcceptedKey(probe, async ({ signer }) => {
    const tryWith = async (extra: object) => {
      const claims = { ...plainClaims(signer.iss, probe.connection.now()), ...extra };
      return tryToken(probe, await sign(signer, claims));
    };
    const both = await tryWith({ sub, jti });
    if (both.accepted)
      return answered("yes, both", "claims: standard (the default)", { sub: true, jti: true });
    const [withSub, withJti] = [await tryWith({ sub }), await tryWith({ jti })];
    const say = (name: string, { accepted }: Reply) => `${name}: ${accepted ? "yes" : "no"}`;
    return answered(
      `${say("sub", withSub)}; ${say("jti", withJti)}; both: no (${describe(both)})`,
      "claims: minimal",
      { sub: withSub.accepted, jti: withJti.accepted, both: false },
    );
  });
}

export async function askRefusal(
  probe: Probe,
  times: { readonly iat: number; readonly exp: number },
  documentedCode: number | undefined,
  kid?: string,
): Promise<Answer> {
  return withAcceptedKey(probe, async ({ signer }) => {
    const now = Math.floor(probe.connection.now() / 1000);
    const claims = { iss: signer.iss, iat: now + times.iat, exp: now + times.exp };
    return replyAnswer(await tryToken(probe, await sign(signer, claims, kid)), documentedCode);
  });
}

export async function askChild(probe: Probe): Promise<Answer> {
  const { given, connection } = probe;
  const child = probe.child ?? (await findChild(probe));
  if (child === undefined)
    return answered("the account has no child account", NOTHING_TO_SET, { children: 0 });
  const iss = typeof given.iss === "number" ? child : String(child);
  const tryWith = async (signer: Signer) =>
    tryToken(probe, await sign(signer, plainClaims(iss, connection.now())));
  const works = (reply: Reply) =>
    reply.accepted && (reply.result as { account_id?: unknown } | null)?.account_id === child;

  const reply = await withAcceptedKey(probe, ({ signer }) => tryWith(signer));
  if (works(reply)) {
    return answered("yes, also for a key without roles", "childAccountIds: may be used", {
      rolelessKey: true,
    });
  }
  const replyOfGiven = await tryWith(given);
  if (works(replyOfGiven)) {
    return answered("yes for the given key, no for a key without roles", "childAccountIds: may be used", {
      rolelessKey: false,
      givenKey: true,
    });
  }
  const facts = { rolelessKey: false, givenKey: false, ...replyFacts(replyOfGiven) };
  return replyOfGiven.accepted
    ? answered("no: the answer is about another account", "childAccountIds: none", facts)
    : answered(`no (${describe(replyOfGiven)})`, "childAccountIds: none", facts);
}

async function findChild(probe: Probe): Promise<number | undefined> {
  const reply = await askAsGiven(probe, "GetChildrenAccounts", { child_account_id: "any", count: 1 });
  if (!reply.accepted) {
    throw new NoAnswerError(`GetChildrenAccounts: ${describe(reply)}; use --child ID`);
  }
  const [first] = [reply.result].flat() as ({ account_id?: unknown } | null)[];
  if (first === undefined) return undefined;
  if (typeof first?.account_id === "number") return first.account_id;
  throw new NoAnswerError("GetChildrenAccounts: another shape than documented; use --child ID");
}
