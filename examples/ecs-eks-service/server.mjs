// A service that runs all day: it starts calls on request. Its principal is the ECS task role, or
// the EKS pod's.
import { createServer } from "node:http";
import { callApi, createTokenProvider, TokenError, VoximplantError } from "voxtoken";

const getToken = createTokenProvider({
  // Several regions: VOXTOKEN_URL=https://….eu-west-1…/prod,https://….eu-central-1…/prod
  url: process.env.VOXTOKEN_URL.split(","),
  serviceAccount: "outbound-calls",
  onEvent: ({ type, error }) => {
    if (error) console.warn(JSON.stringify({ level: "warn", message: type, code: error.code }));
  },
});

const server = createServer(async (request, response) => {
  const answer = (status, body) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
  if (request.url === "/healthz") return answer(200, { ok: true });
  try {
    // Aborting affects only the call of the client that has disconnected.
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    const { result } = await callApi(
      getToken,
      "GetAccountInfo",
      {},
      {
        apiUrl: process.env.VOXIMPLANT_API_URL,
        signal: gone.signal,
      },
    );
    answer(200, { accountId: result.account_id });
  } catch (error) {
    // 403: a policy must be changed. 502: trying again may help.
    const denied = error instanceof TokenError && error.denied;
    const code =
      error instanceof TokenError || error instanceof VoximplantError ? error.code : "internal_error";
    console.error(JSON.stringify({ level: "error", message: String(error), code }));
    answer(denied ? 403 : 502, { error: code });
  }
});

server.listen(Number(process.env.PORT ?? 8080), () => {
  console.log(JSON.stringify({ level: "info", message: "listening", port: server.address().port }));
});
process.on("SIGTERM", () => server.close());
