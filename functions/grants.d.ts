/**
 * The build parses and validates grants.yml and puts the policy in its place; see scripts/build.ts.
 */
declare module "*/grants.yml" {
  const policy: import("../lib/grants/policy.ts").Policy;
  export default policy;
}
