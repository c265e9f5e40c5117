/** A method of the REST API. */
export interface Route {
  /** The function that it calls. */
  readonly function: "vend-token" | "call-method";
  readonly method: string;
  /** With `{parameters}`: `/v1/service-accounts/{serviceAccount}/token`. */
  readonly resource: string;
}

export interface RouteMatch {
  readonly route: Route;
  readonly pathParameters: Readonly<Record<string, string>> | null;
}

/** The routes that infra/api.ts deploys. The second is deployed only if a grant has `methods`. */
export const deployedRoutes: readonly Route[] = [
  { function: "vend-token", method: "POST", resource: "/v1/service-accounts/{serviceAccount}/token" },
  {
    function: "call-method",
    method: "POST",
    resource: "/v1/service-accounts/{serviceAccount}/methods/{method}",
  },
  { function: "vend-token", method: "GET", resource: "/v1/service-accounts" },
];

/** A parameter matches one segment of the path, which must not be empty. */
export function matchRoute(routes: readonly Route[], method: string, path: string): RouteMatch | undefined {
  for (const route of routes) {
    const pathParameters = route.method === method ? matchResource(route.resource, path) : undefined;
    if (pathParameters === undefined) continue;
    return { route, pathParameters: Object.keys(pathParameters).length > 0 ? pathParameters : null };
  }
  return undefined;
}

function matchResource(resource: string, path: string): Record<string, string> | undefined {
  const wanted = resource.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return undefined;
  const parameters: Record<string, string> = {};
  for (const [at, part] of wanted.entries()) {
    const segment = given[at] ?? "";
    const parameter = /^\{(\w+)\}$/.exec(part)?.[1];
    if (parameter !== undefined && segment !== "") parameters[parameter] = segment;
    else if (part !== segment) return undefined;
  }
  return parameters;
}
