import { describe, expect, it } from "vitest";

import type { Grant } from "../../lib/grants/policy.ts";
import type { Stack } from "../../local/stack.ts";
import { suggestions } from "../../local/suggestions.ts";
import { ACCOUNT, grant, roleArn, serviceAccount } from "../fakes/policy.ts";

/** What is suggested on a stack whose only role has a grant with these fields. */
function suggest(fields: Partial<Grant>): string {
  const stack = {
    url: "http://127.0.0.1:1",
    secretsUrl: "http://127.0.0.1:2",
    managementApi: { apiUrl: "http://127.0.0.1:3/platform_api" },
    policy: {
      serviceAccounts: [serviceAccount("calls")],
      grants: [grant([roleArn("dialer")], ["calls"], fields)],
    },
    identities: [
      {
        accessKeyId: "ASIADIALEREXAMPLE",
        secretAccessKey: "local-only",
        sessionToken: "local-only-session",
        userArn: `arn:aws:sts::${ACCOUNT}:assumed-role/dialer/session`,
        userId: "AROADIALEREXAMPLE:session",
        accountId: ACCOUNT,
      },
    ],
  };
  // Only these fields are read; the others need running servers.
  return suggestions(stack as unknown as Stack, { profiles: false });
}

describe("the suggestions of the local stack", () => {
  it("have a request for a token, as a role that may have one", () => {
    const text = suggest({});
    expect(text).toContain("-X POST http://127.0.0.1:1/v1/service-accounts/calls/token");
    expect(text).not.toContain("/methods/");
  });

  it.each([
    [["StartConference"], "StartConference"],
    [["Nothing*", "GetCallHistory"], "GetCallHistory"],
    [["StartSc*"], "StartScenarios"],
  ])("have a call of a method that the grant of %j allows: %s", (methods, suggested) => {
    expect(suggest({ methods })).toContain(`/v1/service-accounts/calls/methods/${suggested}`);
  });

  it("have no call of a method if the grant matches no known method", () => {
    expect(suggest({ methods: ["Nothing*"] })).not.toContain("/methods/");
  });
});
