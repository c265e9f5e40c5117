import type { Resource, Resources } from "./cloudformation.ts";
import type { Options } from "./options.ts";

/**
 * The types of this stack that take a list of tags. The others take none (deployments, policies,
 * permissions, dashboards), or only hold a part of a resource that is tagged here.
 */
const taggable = new Set([
  "AWS::ApiGateway::DomainName",
  "AWS::ApiGateway::RestApi",
  "AWS::ApiGateway::Stage",
  "AWS::CloudWatch::Alarm",
  "AWS::Events::Rule",
  "AWS::IAM::Role",
  "AWS::KMS::Key",
  "AWS::Lambda::Function",
  "AWS::Logs::LogGroup",
  "AWS::SecretsManager::Secret",
  "AWS::SNS::Topic",
]);

/** The tag property of a resource; none if the deployment has no tags. */
export const tagged = ({ tags }: Options) => (tags.length > 0 ? { Tags: tags } : {});

/** Adds the deployment's tags to the resources whose type supports them. */
export function withTags(resources: Resources, options: Options): Resources {
  const withTag = (resource: Resource): Resource =>
    taggable.has(resource.Type)
      ? { ...resource, Properties: { ...resource.Properties, ...tagged(options) } }
      : resource;
  return Object.fromEntries(Object.entries(resources).map(([id, resource]) => [id, withTag(resource)]));
}
