// A Lambda function that a schedule starts every night. It has no Voximplant key: it is a principal
// that grants.yml knows.
import { callApi, createTokenProvider } from "voxtoken";

// Outside the handler, so that a warm function keeps its token. No token is requested before the
// first event, because Lambda may freeze a request that starts during init.
const getToken = createTokenProvider({
  url: process.env.VOXTOKEN_URL,
  serviceAccount: "call-history",
  onEvent: (event) =>
    console.log(JSON.stringify({ level: "info", message: "voximplant token", event: event.type })),
});

export async function handler() {
  const { result } = await callApi(
    getToken,
    "GetAccountInfo",
    {},
    { apiUrl: process.env.VOXIMPLANT_API_URL },
  );
  return { accountId: result.account_id };
}
