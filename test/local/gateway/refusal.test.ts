import { expect, it } from "vitest";
import { gatewayResponses } from "../../../infra/gateway-responses.ts";
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

it.each([
  accessDenied("arn:aws:iam::111122223333:user/x", "arn:aws:execute-api:us-east-1:********3333:a/b/GET/"),
  forbidden("InvalidSignatureException", "The signature does not match."),
  unknownClient,
  missingToken,
  requestTooLong,
  integrationFailure,
  integrationTimeout,
])("the local gateway answers $type as the deployed gateway response does", (refusal) => {
  const deployed = gatewayResponses[refusal.response];
  const { error, status, description } = responseTo(refusal);
  expect({ error, status }).toEqual({ error: deployed?.error, status: deployed?.status });
  expect(deployed?.description).toBe(
    description === undefined ? "$context.error.messageString" : JSON.stringify(description),
  );
});
