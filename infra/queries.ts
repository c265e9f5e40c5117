import { ref, type Resources } from "./cloudformation.ts";
import { type KeyReader, keyReadersOf, logGroupOf, pascalCase } from "./names.ts";
import type { Options } from "./options.ts";

/** Queries for the audit records: docs/audit.md explains the fields. */
export const queries = {
  "tokens by principal":
    "filter outcome = 'vended' | stats count(*) as tokens by principal, service_account, grant | sort tokens desc | limit 50",
  "refusals by reason":
    "filter outcome = 'refused' | stats count(*) as refusals by reason, principal, service_account | sort refusals desc | limit 50",
  "keys by age":
    "filter outcome = 'vended' | stats max(KeyAgeSeconds) / 86400 as days, count(*) as tokens by service_account, kid | sort days desc",
} as const;

/** Queries for the audit records of calls of methods. Used if a grant has methods. */
export const callQueries = {
  "calls by principal":
    "filter outcome = 'called' | stats count(*) as calls by principal, service_account, platform_method, grant | sort calls desc | limit 50",
  "errors of calls":
    "filter ispresent(platform_method) and outcome != 'refused' and (outcome = 'failed' or ispresent(platform_error_code)) | stats count(*) as calls by platform_method, reason, platform_status, platform_error_code | sort calls desc | limit 50",
  "slow methods":
    "filter ispresent(platform_ms) | stats pct(platform_ms, 99) as slowest, avg(platform_ms) as average, max(platform_bytes) as bytes, count(*) as calls by platform_method | sort slowest desc | limit 50",
} as const;

interface Query {
  readonly name: string;
  readonly query: string;
  readonly functions: readonly KeyReader[];
}

function queriesOf(options: Options): readonly Query[] {
  const named = (all: Readonly<Record<string, string>>, functionsOf: (name: string) => Query["functions"]) =>
    Object.entries(all).map(([name, query]) => ({ name, query, functions: functionsOf(name) }));
  return [
    // Both functions refuse; the rest is about tokens, which only one of them vends.
    ...named(queries, (name) => (name === "refusals by reason" ? keyReadersOf(options) : ["vend-token"])),
    ...(options.callsMethods ? named(callQueries, () => ["call-method"]) : []),
  ];
}

/** The queries in Logs Insights, in a folder with the deployment's name. */
export function queryResources(options: Options): Resources {
  return Object.fromEntries(
    queriesOf(options).map(({ name, query, functions }) => [
      `Query${pascalCase(name)}`,
      {
        Type: "AWS::Logs::QueryDefinition",
        Properties: {
          Name: `${options.prefix}/${name}`,
          QueryString: query,
          LogGroupNames: functions.map((fn) => ref(logGroupOf(fn))),
        },
      },
    ]),
  );
}
