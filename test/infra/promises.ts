import type { Resource, Statement } from "../../infra/cloudformation.ts";
import type { Template } from "./describe.ts";

/**
 * Checks of a template that say what is wrong with it, so that the tests can show that each of them
 * can fail.
 */

export const resourcesOf = (template: Template, type: string): readonly [id: string, resource: Resource][] =>
  Object.entries(template.Resources).filter(([, resource]) => resource.Type === type);

export function property(resource: Resource | undefined, ...path: readonly (string | number)[]): unknown {
  let value: unknown = resource?.Properties;
  for (const key of path) value = (value as Record<string | number, unknown> | undefined)?.[key];
  return value;
}

/** Every method that somebody could call without an AWS signature. */
export const openMethods = (template: Template): readonly string[] =>
  resourcesOf(template, "AWS::ApiGateway::Method")
    .filter(([, method]) => property(method, "AuthorizationType") !== "AWS_IAM")
    .map(([id]) => id);

/**
 * `role: action on resource` of everything that a role of the template may do, as its policies say.
 */
export function permissions(template: Template, roleId: string): readonly string[] {
  const role = template.Resources[roleId];
  const policies = (property(role, "Policies") ?? []) as readonly unknown[];
  return policies.flatMap((_, index) => {
    const statements = property(
      role,
      "Policies",
      index,
      "PolicyDocument",
      "Statement",
    ) as readonly Statement[];
    return statements.flatMap(({ Effect, Action, Resource }) =>
      [Action]
        .flat()
        .flatMap((action) =>
          [Resource].flat().map((resource) => `${Effect} ${action} on ${describe(resource)}`),
        ),
    );
  });
}

const describe = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));

/**
 * Logical ids that differ between two templates. What osls stamps with the time of the packaging is
 * left out.
 */
export function difference(before: Template, after: Template) {
  const ids = (template: Template) => Object.keys(template.Resources);
  const text = (template: Template, id: string) =>
    JSON.stringify(template.Resources[id]).replace(/"S3Key":"[^"]*"/, "");
  return {
    added: ids(after).filter((id) => !(id in before.Resources)),
    removed: ids(before).filter((id) => !(id in after.Resources)),
    changed: ids(after).filter((id) => id in before.Resources && text(before, id) !== text(after, id)),
  };
}

/** The template with other properties of one resource: what a careless change would make of it. */
export function withProperties(template: Template, id: string, properties: Resource["Properties"]): Template {
  const resource = template.Resources[id];
  if (resource === undefined) throw new Error(`${id} is no resource of the template`);
  const changed = { ...resource, Properties: { ...resource.Properties, ...properties } };
  return { ...template, Resources: { ...template.Resources, [id]: changed } };
}
