import { colorsFor, type Io } from "../cli/io.ts";
import type { PolicyDiff } from "../grants/diff.ts";
import type { Callers } from "../grants/rules.ts";
import type { Place, RuleChange } from "../grants/diff-changes.ts";
import type { AccountChange } from "../grants/diff-service-accounts.ts";
import type { Problem, ReadGrants } from "../grants/parse.ts";
import { formatTime } from "../grants/until.ts";
import { accountText, changeText, exceptText, principalText } from "./diff-words.ts";
import { annotation, count } from "./lint.ts";
import { wrap } from "./wrap.ts";

/** The two files: where something stands in them, and what the new one is called. */
export interface Versions {
  readonly old: ReadGrants["place"];
  readonly new: ReadGrants["place"];
  readonly newName: string;
}

export const printers = {
  text(diff: PolicyDiff, versions: Versions, io: Io): string {
    const colors = colorsFor(io, io.stdout);
    const line = (change: RuleChange | AccountChange, words: string) => {
      const sign = change.gain ? colors.yellow("+") : "name" in change ? "~" : "-";
      return `  ${sign} ${wrap(`${words} (${placeText(change.place, versions)})`, 4)}`;
    };
    const lines = [
      ...diff.serviceAccounts.flatMap((change, i) => [
        ...(diff.serviceAccounts[i - 1]?.name === change.name ? [] : [`service account ${change.name}`]),
        line(change, accountText(change)),
      ]),
      ...diff.differences.flatMap((difference) => [
        wrap(`${difference.serviceAccount} for ${principalText(difference.principal)}`, 2),
        ...difference.changes.map((change) => line(change, changeText(change))),
        ...(exceptText(difference) === "" ? [] : [`    ${wrap(exceptText(difference), 4)}`]),
      ]),
      summary(diff),
    ];
    return `${lines.join("\n")}\n`;
  },

  json({ differences, serviceAccounts }: PolicyDiff, versions: Versions): string {
    const where = ({ side, path }: Place) => {
      const { file, line } = versions[side]({ path, message: "" });
      return { file, line };
    };
    const report = {
      differences: differences.map(({ serviceAccount, principal, changes, except }) => ({
        service_account: serviceAccount,
        ...callersOf(principal),
        changes: changes.map(({ kind, gain, accountIds, methods, from, to, maxTtlSeconds, until, place }) => {
          const isTime = kind === "later" || kind === "sooner";
          return {
            kind,
            gain,
            own_account: accountIds.includes(undefined),
            child_account_ids: accountIds.filter((id) => id !== undefined),
            methods,
            from: isTime ? timeOf(from) : from,
            to: isTime ? timeOf(to) : to,
            max_ttl_seconds: maxTtlSeconds,
            until: timeOf(until),
            ...where(place),
          };
        }),
        except: except.map(callersOf),
      })),
      service_accounts: serviceAccounts.map(({ name, kind, gain, field, from, to, place }) => {
        return { service_account: name, kind, gain, field, from, to, ...where(place) };
      }),
    };
    return `${JSON.stringify(report, null, 2)}\n`;
  },

  /** For a comment on a pull request: who gains, then who loses. */
  markdown(diff: PolicyDiff, versions: Versions): string {
    const rows = [true, false].flatMap((gain) => [
      ...diff.serviceAccounts
        .filter((change) => change.gain === gain)
        .map((change) => {
          const { name, place } = change;
          return [gain ? "gains" : "", ITSELF, name, [accountText(change)], place] as const;
        }),
      ...diff.differences.flatMap((difference) => {
        const changes = difference.changes.filter((change) => change.gain === gain);
        const [first] = changes;
        if (!first) return [];
        const words = [...changes.map(changeText), exceptText(difference)].filter((text) => text !== "");
        return [
          [
            gain ? "gains" : "loses",
            principalText(difference.principal),
            difference.serviceAccount,
            words,
            first.place,
          ] as const,
        ];
      }),
    ]);
    if (rows.length === 0) return `### Grants: ${summary(diff)}\n`;
    const allLines = rows.slice(0, MAX_ROWS).map(([verb, who, serviceAccount, words, place]) => {
      const cells = [
        verb === "gains" ? `**${verb}**` : verb,
        who === ITSELF ? who : code(who),
        code(serviceAccount),
        words.map(code).join("<br>"),
        code(placeText(place, versions)),
      ];
      return `| ${cells.join(" | ")} |`;
    });
    let characters = 0;
    const lines = allLines.filter(({ length }) => (characters += length + 1) <= MAX_ROW_CHARACTERS);
    const more = rows.length - lines.length;
    return [
      `### Grants: ${summary(diff)}`,
      "",
      "|  | who | service account | what | line |",
      "| --- | --- | --- | --- | --- |",
      ...lines,
      ...(more > 0 ? ["", `And ${more} more: \`voxtoken admin diff\` lists them all.`] : []),
      "",
    ].join("\n");
  },

  github(diff: PolicyDiff, versions: Versions): string {
    const lines = [
      ...diff.serviceAccounts.map((change) =>
        annotate(change, `service account ${change.name}: ${accountText(change)}`, versions),
      ),
      ...diff.differences.flatMap((difference) =>
        difference.changes.map((change) => {
          const who = `${difference.serviceAccount} for ${principalText(difference.principal)}`;
          const except = exceptText(difference);
          return annotate(
            change,
            `${who}: ${changeText(change)}${except === "" ? "" : `; ${except}`}`,
            versions,
          );
        }),
      ),
      summary(diff),
    ];
    return `${lines.join("\n")}\n`;
  },
};

/** In place of a principal, for a change of a service account. */
const ITSELF = "the service account itself";

const MAX_ROWS = 100;

/** A comment of GitHub has at most 65,536 characters. The rest is for the lines around the rows. */
const MAX_ROW_CHARACTERS = 64_000;

/** `2 gains, 1 loss` */
function summary({ differences, serviceAccounts }: PolicyDiff): string {
  const having = (gain: boolean) =>
    differences.filter(({ changes }) => changes.some((change) => change.gain === gain)).length;
  const [gains, losses, changes] = [having(true), having(false), serviceAccounts.length];
  const parts = [
    ...(gains > 0 ? [count(gains, "gain")] : []),
    ...(losses > 0 ? [losses === 1 ? "1 loss" : `${losses} losses`] : []),
    ...(changes > 0 ? [`${count(changes, "change")} of service accounts`] : []),
  ];
  return parts.length > 0 ? parts.join(", ") : "nobody gains or loses anything";
}

function placeText(place: Place, versions: Versions): string {
  const { file, line } = versions[place.side]({ path: place.path, message: "" });
  return `${file}:${line}`;
}

/** A line that is gone cannot be annotated: then the note stands at the first line of the file. */
function annotate(
  { gain, place }: Pick<RuleChange, "gain" | "place">,
  message: string,
  versions: Versions,
): string {
  const file = versions.newName.split(":").at(-1) ?? versions.newName;
  const at: Problem =
    place.side === "new"
      ? { ...versions.new({ path: place.path, message }), file }
      : { file, line: 1, column: 1, message: `${message} (${placeText(place, versions)})` };
  return annotation(gain ? "warning" : "notice", at);
}

const callerFields = {
  arn: "principal",
  uniqueId: "unique_id",
  principalOrgId: "principal_org_id",
} as const satisfies Record<keyof Callers, string>;

function callersOf(callers: Callers) {
  const fields = Object.keys(callerFields) as (keyof Callers)[];
  return Object.fromEntries(fields.map((field) => [callerFields[field], callers[field]]));
}

/** Undefined if the change has no such time; null if the time is Infinity, which means no end. */
function timeOf(time: number | undefined): string | null | undefined {
  if (time === undefined) return undefined;
  return time === Infinity ? null : formatTime(time);
}

/**
 * Inline code, in which GitHub notifies no `@name` and renders no HTML. The fence is longer than
 * any run of backticks in the text, and a pipe, which would end the cell of a table, is escaped.
 */
function code(text: string): string {
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = "`".repeat(longest + 1);
  const padding = longest > 0 ? " " : "";
  return `${fence}${padding}${text.replaceAll("|", "\\|")}${padding}${fence}`;
}
