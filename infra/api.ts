import { createHash } from "node:crypto";
import type { Policy } from "../lib/grants/policy.ts";
import { MAX_TTL_SECONDS, MIN_TTL_SECONDS, routes, type TokenRequestBody } from "../lib/http/wire.ts";
import { admittedBy } from "./admitted.ts";
import { getAtt, ref, type Resource, type Resources, sub } from "./cloudformation.ts";
import { gatewayResponseResources } from "./gateway-responses.ts";
import { type KeyReader, lambdaOf, pascalCase } from "./names.ts";
import type { Options } from "./options.ts";
import { apiResourcePolicy } from "./resource-policy.ts";

/**
 * The REST API up to its deployment; stage.ts has the stage.
 *
 * Written as CloudFormation and not as osls `http` events, because osls sets a stage's log and
 * tracing by calls to AWS after the deployment. They would be in no template, and no test could
 * check them.
 */
export const restApi = "RestApi";

interface ApiMethod {
  readonly method: string;
  readonly path: string;
  readonly function: KeyReader;
  /** Without one, API Gateway does not look into the body. */
  readonly bodyModel?: string;
}

/**
 * Where API Gateway sends each route. Voximplant defines the parameters of its methods, so the
 * route callMethod has no model: the function checks form and size.
 */
const integrations: Readonly<Record<keyof typeof routes, Omit<ApiMethod, "method" | "path">>> = {
  listEntitlements: { function: "vend-token" },
  vendToken: { function: "vend-token", bodyModel: "TokenRequestModel" },
  callMethod: { function: "call-method" },
};

/** Each route is AWS_IAM. There is no OPTIONS, so CORS is off. */
const methodsOf = ({ callsMethods }: Options): readonly ApiMethod[] =>
  (Object.keys(integrations) as (keyof typeof routes)[])
    .map((name) => ({ ...routes[name], ...integrations[name] }))
    .filter((route) => callsMethods || route.function !== "call-method");

/**
 * What the gateway can check of a token request. JSON Schema draft 4, as API Gateway reads it. It
 * cannot say how long a body may be; the function does. Null is allowed because AWS does not
 * document how an absent body is validated.
 */
const tokenRequestSchema = {
  $schema: "http://json-schema.org/draft-04/schema#",
  title: "TokenRequest",
  type: ["object", "null"],
  properties: {
    ttl_seconds: { type: "integer", minimum: MIN_TTL_SECONDS, maximum: MAX_TTL_SECONDS },
    account_id: { type: "integer", minimum: 1 },
  } satisfies Record<keyof TokenRequestBody, object>,
  additionalProperties: false,
};

const resourceId = (segments: readonly string[]) => `ApiResource${segments.map(pascalCase).join("")}`;

/** One AWS::ApiGateway::Resource for every path segment that a route needs. */
function pathResources(methods: readonly ApiMethod[]): Resources {
  const resources: Record<string, Resource> = {};
  for (const { path } of methods) {
    const segments = path.slice(1).split("/");
    segments.forEach((segment, index) => {
      const parent = segments.slice(0, index);
      resources[resourceId(segments.slice(0, index + 1))] = {
        Type: "AWS::ApiGateway::Resource",
        Properties: {
          RestApiId: ref(restApi),
          ParentId: index === 0 ? getAtt(restApi, "RootResourceId") : ref(resourceId(parent)),
          PathPart: segment,
        },
      };
    });
  }
  return resources;
}

function methodResources(methods: readonly ApiMethod[]): Resources {
  return Object.fromEntries(
    methods.map((route) => {
      const segments = route.path.slice(1).split("/");
      const parameters = segments
        .filter((segment) => segment.startsWith("{"))
        .map((name) => name.slice(1, -1));
      return [
        `ApiMethod${segments.map(pascalCase).join("")}${pascalCase(route.method.toLowerCase())}`,
        {
          Type: "AWS::ApiGateway::Method",
          Properties: {
            RestApiId: ref(restApi),
            ResourceId: ref(resourceId(segments)),
            HttpMethod: route.method,
            AuthorizationType: "AWS_IAM",
            ApiKeyRequired: false,
            RequestValidatorId: ref("RequestValidator"),
            RequestParameters: Object.fromEntries(
              parameters.map((name) => [`method.request.path.${name}`, true]),
            ),
            ...(route.bodyModel !== undefined && {
              RequestModels: { "application/json": ref(route.bodyModel) },
            }),
            Integration: {
              Type: "AWS_PROXY",
              IntegrationHttpMethod: "POST",
              Uri: sub(
                `arn:\${AWS::Partition}:apigateway:\${AWS::Region}:lambda:path/2015-03-31/functions/\${${lambdaOf(route.function)}.Arn}/invocations`,
              ),
            },
          },
        },
      ];
    }),
  );
}

/**
 * SourceArn contains the account. There is no SourceAccount: AWS does not document that API Gateway
 * sends it.
 */
function permissionResources(methods: readonly ApiMethod[], stage: string): Resources {
  return Object.fromEntries(
    methods.map(({ method, path, function: name }) => [
      `ApiMayInvoke${pascalCase(name === "vend-token" ? method.toLowerCase() : name)}`,
      {
        Type: "AWS::Lambda::Permission",
        Properties: {
          FunctionName: getAtt(lambdaOf(name), "Arn"),
          Action: "lambda:InvokeFunction",
          Principal: "apigateway.amazonaws.com",
          SourceArn: sub(
            `arn:\${AWS::Partition}:execute-api:\${AWS::Region}:\${AWS::AccountId}:\${${restApi}}/${stage}/${method}${path.replace(/\{[^}]+\}/g, "*")}`,
          ),
        },
      },
    ]),
  );
}

export function apiResources(policy: Policy, options: Options): Resources {
  const isPrivate = options.vpcEndpointIds.length > 0;
  const methods = methodsOf(options);
  const api: Resources = {
    [restApi]: {
      Type: "AWS::ApiGateway::RestApi",
      Properties: {
        Name: options.prefix,
        Description: "Vends short-lived Voximplant tokens to the IAM principals of grants.yml.",
        EndpointConfiguration: isPrivate
          ? { Types: ["PRIVATE"], VpcEndpointIds: options.vpcEndpointIds }
          : { Types: ["REGIONAL"] },
        // With a custom domain the default endpoint is off, so that the domain's TLS version always
        // applies.
        DisableExecuteApiEndpoint: options.domainName !== undefined,
        Policy: apiResourcePolicy(admittedBy(policy), options.vpcEndpointIds),
      },
    },
    RequestValidator: {
      Type: "AWS::ApiGateway::RequestValidator",
      Properties: {
        RestApiId: ref(restApi),
        Name: "body and parameters",
        ValidateRequestBody: true,
        ValidateRequestParameters: true,
      },
    },
    TokenRequestModel: {
      Type: "AWS::ApiGateway::Model",
      Properties: {
        RestApiId: ref(restApi),
        Name: "TokenRequest",
        ContentType: "application/json",
        Schema: tokenRequestSchema,
      },
    },
    ...pathResources(methods),
    ...methodResources(methods),
    ...gatewayResponseResources(restApi, options),
  };
  return {
    ...api,
    [deploymentId(api)]: {
      Type: "AWS::ApiGateway::Deployment",
      Properties: { RestApiId: ref(restApi) },
      DependsOn: Object.keys(api).filter((logicalId) => logicalId !== restApi),
    },
    ...permissionResources(methods, options.stage),
  };
}

/**
 * A deployment is a snapshot: a change of the resource policy, a route or a gateway response needs
 * a new deployment. So the logical id contains a hash of all that the deployment depends on.
 */
const deploymentId = (api: Resources) =>
  `ApiDeployment${createHash("sha256").update(JSON.stringify(api)).digest("hex").slice(0, 16)}`;

/** The logical id of the deployment among the API's resources. */
export function deploymentOf(api: Resources): string {
  const found = Object.entries(api).find(([, { Type }]) => Type === "AWS::ApiGateway::Deployment");
  if (found === undefined) throw new Error("The API has no deployment.");
  return found[0];
}
