import { type Measured, type Row, type RowName, rows } from "./rows.ts";

/** What was measured, by the major version of Node. */
export type Measurements = ReadonlyMap<number, Measured>;

const entries = Object.entries(rows) as [RowName, Row][];

const show = (value: number | undefined, { baseline, unit }: Row) => {
  if (value === undefined) return "–";
  if (baseline === undefined) return `${value.toFixed(unit === "packages" ? 0 : 1)} ${unit ?? ""}`;
  return value < 0.1 ? value.toFixed(3) : value.toFixed(2);
};

/** One line for each row, for a terminal. */
export function asText(measurements: Measurements): string {
  const lines = entries.map(([name, row]) => {
    const what = `${row.what.replaceAll("`", "")}${row.baseline === undefined ? "" : ` / ${row.baseline}`}`;
    const values = [...measurements].map(([major, measured]) => {
      const aim = row.aim?.[major];
      return `${show(measured[name], row).padStart(8)}${aim === undefined ? "" : ` (${aim})`}`.padEnd(16);
    });
    return `${what.padEnd(56)}${values.join("")}`.trimEnd();
  });
  const head = [...measurements.keys()].map((major) => `   Node ${major} (aim)`.padEnd(16));
  return `${"".padEnd(56)}${head.join("").trimEnd()}\n${lines.join("\n")}\n`;
}

export function asMarkdown(
  measurements: Measurements,
  about: { readonly date: string; readonly commit: string; readonly machine: string },
  notes: string,
): string {
  const majors = [...measurements.keys()];
  const table = entries.map(([name, row]) => {
    const cells = majors.flatMap((major) => {
      const value = measurements.get(major)?.[name];
      const aim = row.aim?.[major];
      const missed = value !== undefined && aim !== undefined && value > aim;
      return [missed ? `**${show(value, row)}**` : show(value, row), aim === undefined ? "" : String(aim)];
    });
    return `| ${row.what} | ${row.baseline ?? ""} | ${cells.join(" | ")} |`;
  });
  return `# Performance

\`npm run bench\` writes this page. A number without a unit is a multiple of its baseline. The value
and its baseline are measured alternately within one run, because machines differ and are shared.
Lower is better. The measured processes get an environment of their own, so no variable of the shell
slows them. A value that misses its aim is bold.

${about.date}, commit ${about.commit}, ${about.machine}.

| what | baseline | ${majors.map((major) => `Node ${major} | aim`).join(" | ")} |
| --- | --- | ${majors.map(() => "---: | ---:").join(" | ")} |
${table.join("\n")}

![Bars of the ratios to one RSA signature](performance.svg)

${notes}`;
}

/** Bars of all ratios to one signature, readable on light and on dark ground. */
export function asSvg(measured: Measured): string {
  const bars = entries.filter(
    ([name, row]) => row.baseline === "crypto.sign" && measured[name] !== undefined,
  );
  const most = Math.max(...bars.map(([name]) => measured[name] ?? 0));
  const lines = bars.map(([name, row], i) => {
    const [value, y] = [measured[name] ?? 0, 24 + i * 28];
    const width = Math.max(1, (value / most) * 360);
    const own = name === "vend" || name === "refuse";
    return (
      `  <text x="240" y="${y + 14}" text-anchor="end">${row.what}</text>\n` +
      `  <rect x="250" y="${y}" width="${width.toFixed(1)}" height="18" fill="${own ? "#0a7d5a" : "#8892a0"}"/>\n` +
      `  <text x="${(258 + width).toFixed(1)}" y="${y + 14}">${show(value, row)}</text>`
    );
  });
  const height = 40 + bars.length * 28;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 ${height}" font-family="sans-serif" font-size="13">
  <style>text { fill: #57606a } @media (prefers-color-scheme: dark) { text { fill: #b1bac4 } }</style>
  <text x="250" y="14">one token, × one RSA-2048 signature</text>
${lines.join("\n")}
</svg>
`;
}
