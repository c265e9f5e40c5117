/**
 * The build validates grants.yml and replaces this import with the policy; see scripts/build.ts.
 */
declare module "*/grants.yml" {
  const policy: import("../lib/grants/policy.ts").Policy;
  export default policy;
}
