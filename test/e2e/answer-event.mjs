// Forked by a test, with the Node under test: imports the bundle named first and, when told to,
// answers the event given second, as Lambda would. The answer goes over the channel to the parent;
// stdout is the function's own.
const [bundle, event] = process.argv.slice(2);
const { handler } = await import(bundle);
process.once("message", async () => {
  const response = await handler(JSON.parse(event), { awsRequestId: "lambda-1" });
  process.send({ response }, () => process.exit());
});
process.send({ ready: true });
