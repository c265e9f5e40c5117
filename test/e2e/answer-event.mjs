// Run by a bare Node: imports the bundle named first and answers the event given second, as Lambda would.
const [bundle, event] = process.argv.slice(2);
const { handler } = await import(bundle);
const response = await handler(JSON.parse(event), { awsRequestId: "lambda-1" });
process.stdout.write(`\nRESPONSE ${JSON.stringify(response)}\n`);
