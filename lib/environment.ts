import { isAbsolute } from "node:path";

/** Environment variables. The other files of lib/ read a variable through this file. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * A variable's value. An empty variable counts as absent: CI systems, Compose and .env files set
 * empty variables for values that are not configured.
 */
export function readVariable(environment: Environment, name: string): string | undefined {
  return Object.hasOwn(environment, name) ? present(environment[name]) : undefined;
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
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => present(value) !== undefined));
}

/** Deletes empty variables, because the AWS SDK itself would sign for an empty AWS_REGION. */
export function deleteEmpty(environment: Record<string, string | undefined>): void {
  // oxlint-disable-next-line typescript/no-dynamic-delete -- process.env has no other way
  for (const [name, value] of Object.entries(environment)) if (value === "") delete environment[name];
}
