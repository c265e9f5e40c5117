import { describe, expect, it } from "vitest";
import { grantsOfTokens, sampleGrants, stackOf } from "../../infra/describe.ts";
import {
  accessDenied,
  forbidden,
  integrationFailure,
  integrationTimeout,
  missingToken,
  requestTooLong,
  responseTo,
  unknownClient,
} from "../../../local/gateway/refusal.ts";

const refusals = [
  accessDenied("arn:aws:iam::111122223333:user/x", "arn:aws:execute-api:us-east-1:********3333:a/b/GET/"),
  forbidden("InvalidSignatureException", "The signature does not match."),
  unknownClient,
  missingToken,
  requestTooLong,
  integrationFailure,
  integrationTimeout,
];

describe.each([
  ["with calls of methods", true, sampleGrants],
  ["without calls of methods", false, grantsOfTokens],
])("%s, the local gateway", (_, callsMethods, grants) => {
  const { Resources } = stackOf({}, { grants });

  it.each(refusals)("answers $type as the deployed gateway response $response does", (refusal) => {
    const { error, status, description } = responseTo(refusal, callsMethods);
    const text = description === undefined ? "$context.error.messageString" : JSON.stringify(description);
    expect(Resources[`GatewayResponse${refusal.response.replaceAll("_", "")}`]?.Properties).toMatchObject({
      ResponseType: refusal.response,
      StatusCode: String(status),
      ResponseTemplates: {
        "application/json": `{"error": "${error}", "error_description": ${text}, "request_id": "$context.requestId"}`,
      },
    });
  });
});
