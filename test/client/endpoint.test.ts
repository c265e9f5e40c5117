import { describe, expect, it } from "vitest";
import { parseEndpoint, resourceUrl } from "../../lib/client/endpoint.ts";

describe("parseEndpoint finds the service and the region to sign for", () => {
  it.each([
    ["https://abc123.execute-api.eu-west-1.amazonaws.com/prod", "execute-api", "eu-west-1"],
    ["https://abc123.execute-api.cn-north-1.amazonaws.com.cn/prod", "execute-api", "cn-north-1"],
    ["https://abc123.execute-api.us-gov-west-1.amazonaws.com/prod", "execute-api", "us-gov-west-1"],
    ["https://abc123.execute-api.eusc-de-east-1.amazonaws.eu/prod", "execute-api", "eusc-de-east-1"],
    ["https://abc123.execute-api.eusc-de-east-1.api.amazonwebservices.eu", "execute-api", "eusc-de-east-1"],
    ["https://abc123.execute-api.us-iso-east-1.c2s.ic.gov/prod", "execute-api", "us-iso-east-1"],
    ["https://abc123.execute-api.eu-west-1.amazonawsXcom/prod", "execute-api", undefined],
    ["https://abc123-vpce-0a1b.execute-api.eu-west-1.amazonaws.com/prod", "execute-api", "eu-west-1"],
    ["https://vpce-0a1b-2c3d.execute-api.us-east-1.vpce.amazonaws.com/prod", "execute-api", "us-east-1"],
    ["https://abc123.lambda-url.ap-south-1.on.aws/", "lambda", "ap-south-1"],
    ["https://tokens.example.com", "execute-api", undefined],
    ["https://execute-api.eu-west-1.amazonaws.com.example.com", "execute-api", undefined],
    ["http://127.0.0.1:8787", "execute-api", undefined],
  ])("%s", (url, signingName, region) => {
    expect(parseEndpoint(url)).toMatchObject({ signingName, region });
  });
});

describe("a url with http", () => {
  it.each(["http://localhost:8787", "http://127.0.0.1", "http://127.9.9.9:1", "http://[::1]:8787"])(
    "is accepted for this machine: %s",
    (url) => {
      expect(() => parseEndpoint(url)).not.toThrow();
    },
  );
  it.each([
    "http://example.com",
    "http://127.0.0.1.example.com",
    "http://localhost.example.com",
    "ftp://localhost",
  ])("is refused for any other host: %s", (url) => {
    expect(() => parseEndpoint(url)).toThrow("must be https");
  });
});

it.each([
  ["https://a.example.com", "https://a.example.com/v1/service-accounts"],
  ["https://a.example.com/", "https://a.example.com/v1/service-accounts"],
  ["https://a.example.com/prod/", "https://a.example.com/prod/v1/service-accounts"],
  ["https://a.example.com/prod?a=1&a=2", "https://a.example.com/prod/v1/service-accounts?a=1&a=2"],
])("resourceUrl of %s is %s", (url, resource) => {
  expect(resourceUrl(parseEndpoint(url), "/v1/service-accounts").href).toBe(resource);
});
