// One cold start: a bare Node imports the bundle, which fetches its key, and vends one token.
const [bundle, event] = process.argv.slice(2);
const { handler } = await import(bundle);
const { statusCode, body } = await handler(JSON.parse(event), { awsRequestId: "bench" });
if (statusCode !== 200) throw new Error(body);
process.exit(0);
