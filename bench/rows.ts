/** Everything that `npm run bench` measures, in the order of docs/performance.md. */
export interface Row {
  readonly what: string;
  /** What it is a multiple of; undefined: an absolute number. */
  readonly baseline?: "node -e 0" | "node and one HTTPS request" | "crypto.sign" | "jose CompactSign";
  readonly unit?: "KB" | "packages" | "MB" | "ms";
  /** The most that it should be, by the major version of Node. Absent: measured for comparison. */
  readonly aim?: Readonly<Record<number, number>>;
}

const both = (aim: number) => ({ 20: aim, 24: aim });

export const rows = {
  cachedToken: { what: "`voxtoken token` from its cache", baseline: "node -e 0", aim: { 20: 2.5, 24: 2.2 } },
  clientImport: { what: "import of the client", baseline: "node -e 0", aim: both(1.7) },
  firstToken: {
    what: "first token of the function",
    baseline: "node and one HTTPS request",
    aim: { 20: 1.75, 24: 1.95 },
  },
  vend: { what: "a warm token", baseline: "crypto.sign" },
  vendOverJose: { what: "a warm token", baseline: "jose CompactSign", aim: both(1.15) },
  refuse: { what: "a warm refusal", baseline: "crypto.sign", aim: both(0.07) },
  keyObject: { what: "jsonwebtoken with a KeyObject", baseline: "crypto.sign" },
  pem: { what: "jsonwebtoken with a PEM", baseline: "crypto.sign" },
  signJwt: { what: "jose SignJWT", baseline: "crypto.sign" },
  official: { what: "the official client for Node.js", baseline: "crypto.sign" },
  fetchEach: { what: "GetSecretValue for each token", baseline: "crypto.sign" },
  bundle: { what: "bundle of the vending function, gzipped", unit: "KB", aim: both(70) },
  packages: { what: "packages of a fresh installation", unit: "packages", aim: both(28) },
  megabytes: { what: "size of a fresh installation", unit: "MB", aim: both(23) },
} as const satisfies Readonly<Record<string, Row>>;

export type RowName = keyof typeof rows;

/** Undefined: it could not be measured here. */
export type Measured = Partial<Record<RowName, number>>;
