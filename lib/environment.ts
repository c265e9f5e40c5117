import { isAbsolute } from "node:path";

/**
 * Environment variables. The other files read a variable through this file: for them its value is
 * `unknown`, because a check such as `?? "default"` would accept an empty variable.
 */
export type Environment = Readonly<Record<string, unknown>>;

/**
 * A variable's value. An empty variable counts as absent: CI systems, Compose and .env files set
 * empty variables for values that are not configured.
 */
export function readVariable(environment: Environment, name: string): string | undefined {
  const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
  return typeof value === "string" ? present(value) : undefined;
}

/**
 * A variable that holds a path. A relative path counts as absent, because it would depend on the
 * working folder. https://specifications.freedesktop.org/basedir-spec/latest/ asks for that.
 */
export function readPath(environment: Environment, name: string): string | undefined {
  const path = readVariable(environment, name);
  return path !== undefined && isAbsolute(path) ? path : undefined;
}

/** The text, or undefined where it is empty. */
export function present(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}

/** The variables that are not empty. */
export function withoutEmpty(environment: Environment): Environment {
  const isPresent = (name: string) => readVariable(environment, name) !== undefined;
  return Object.fromEntries(Object.entries(environment).filter(([name]) => isPresent(name)));
}

/** Deletes empty variables, because the AWS SDK itself would sign for an empty AWS_REGION. */
export function deleteEmpty(environment: Record<string, string | undefined>): void {
  // oxlint-disable-next-line typescript/no-dynamic-delete -- process.env has no other way
  for (const [name, value] of Object.entries(environment)) if (value === "") delete environment[name];
}
