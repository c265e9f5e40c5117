import { getAtt, ref, type Resources } from "./cloudformation.ts";
import { restApi } from "./api.ts";
import type { Options } from "./options.ts";

/** A regional custom domain with TLS 1.2 or later; none if no domain is configured. */
export function domainResources({
  domainName,
  basePath,
  certificateArn,
  hostedZoneId,
  stage,
}: Options): Resources {
  if (domainName === undefined) return {};
  return {
    ApiDomain: {
      Type: "AWS::ApiGateway::DomainName",
      Properties: {
        DomainName: domainName,
        RegionalCertificateArn: certificateArn,
        EndpointConfiguration: { Types: ["REGIONAL"] },
        SecurityPolicy: "TLS_1_2",
      },
    },
    ApiDomainMapping: {
      Type: "AWS::ApiGateway::BasePathMapping",
      Properties: {
        DomainName: ref("ApiDomain"),
        ...(basePath !== undefined && { BasePath: basePath }),
        RestApiId: ref(restApi),
        Stage: stage,
      },
      DependsOn: ["Stage"],
    },
    ...(hostedZoneId !== undefined && {
      ApiDomainRecord: {
        Type: "AWS::Route53::RecordSet",
        Properties: {
          HostedZoneId: hostedZoneId,
          Name: domainName,
          Type: "A",
          AliasTarget: {
            DNSName: getAtt("ApiDomain", "RegionalDomainName"),
            HostedZoneId: getAtt("ApiDomain", "RegionalHostedZoneId"),
          },
        },
      },
    }),
  };
}
