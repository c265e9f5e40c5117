import type { Template } from "./describe.ts";

/** A stack as it would stand in AWS: where, and what the intrinsic functions come to. */
export interface Place {
  readonly accountId: string;
  readonly region: string;
}

/**
 * Fills in Ref, Fn::GetAtt, Fn::Sub and Fn::Join, so that the policies of a template can be read as
 * AWS would.
 * @throws on a function or a resource's attribute that it does not know: nothing is passed over.
 */
export function resolveIntrinsics(value: unknown, template: Template, place: Place): unknown {
  const go = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(go);
    if (typeof part !== "object" || part === null) return part;
    const entries = Object.entries(part);
    const [name, argument] = entries.length === 1 && entries[0] !== undefined ? entries[0] : [""];
    switch (name) {
      case "Ref":
        return reference(String(argument), "Ref");
      case "Fn::GetAtt": {
        const [logicalId, attribute] = argument as [string, string];
        return reference(logicalId, attribute);
      }
      case "Fn::Sub": {
        const [text, values] = (Array.isArray(argument) ? argument : [argument, {}]) as [string, object];
        const known = go(values) as Readonly<Record<string, string>>;
        return text.replace(/\$\{([^}]+)\}/g, (_, variable: string) => {
          const [logicalId = "", attribute = "Ref"] = variable.split(".");
          return known[variable] ?? reference(logicalId, attribute);
        });
      }
      case "Fn::Join": {
        const [separator, parts] = argument as [string, unknown[]];
        return parts.map(go).join(separator);
      }
      default:
        return Object.fromEntries(entries.map(([key, entry]) => [key, go(entry)]));
    }
  };

  const pseudo: Readonly<Record<string, string>> = {
    "AWS::AccountId": place.accountId,
    "AWS::Region": place.region,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
  };

  function reference(logicalId: string, attribute: string): string {
    const known = pseudo[logicalId];
    if (known !== undefined) return known;
    const resource = template.Resources[logicalId];
    if (resource === undefined) throw new Error(`${logicalId} is no resource of the template`);
    const property = (name: string) => String(go(resource.Properties?.[name]));
    const arn = (service: string, rest: string, region = place.region) =>
      `arn:aws:${service}:${region}:${place.accountId}:${rest}`;
    switch (`${resource.Type} ${attribute}`) {
      case "AWS::SecretsManager::Secret Ref":
        return arn("secretsmanager", `secret:${property("Name")}-AbCdEf`);
      case "AWS::IAM::Role Arn":
        return arn(
          "iam",
          `role/${resource.Properties?.["RoleName"] === undefined ? logicalId : property("RoleName")}`,
          "",
        );
      case "AWS::KMS::Key Arn":
      case "AWS::KMS::Key Ref":
        return arn("kms", `key/${logicalId}`);
      case "AWS::Logs::LogGroup Arn":
        return arn("logs", `log-group:${property("LogGroupName")}:*`);
      case "AWS::Lambda::Function Arn":
        return arn("lambda", `function:${property("FunctionName")}`);
      case "AWS::ApiGateway::RestApi Ref":
        return "a1b2c3d4e5";
      case "AWS::SNS::Topic Ref":
        return arn("sns", property("TopicName"));
      default:
        throw new Error(`nothing here knows ${attribute} of ${logicalId}, an ${resource.Type}`);
    }
  }
  return go(value);
}
