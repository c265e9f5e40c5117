import { ref, type Resources } from "./cloudformation.ts";
import { logGroupOf, pascalCase } from "./names.ts";
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

/** The queries in Logs Insights, in a folder with the deployment's name. */
export function queryResources(options: Options): Resources {
  return Object.fromEntries(
    Object.entries(queries).map(([name, query]) => [
      `Query${pascalCase(name)}`,
      {
        Type: "AWS::Logs::QueryDefinition",
        Properties: {
          Name: `${options.prefix}/${name}`,
          QueryString: query,
          LogGroupNames: [ref(logGroupOf("vend-token"))],
        },
      },
    ]),
  );
}
