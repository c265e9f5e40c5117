import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { countingFaults, type FaultInjector } from "../fault.ts";
import { type Answer, type RawRequest, UnreadableRequest } from "../exchange.ts";
import { listen, type Listening } from "../listen.ts";
import { fromProxyResult, fromRefusal } from "./answer.ts";
import { httpApiEvent, restEvent, splitTarget } from "./event.ts";
import type { Identity } from "./identity.ts";
import { checkPolicy } from "./policy.ts";
import {
  integrationFailure,
  integrationTimeout,
  missingToken,
  type Refusal,
  requestTooLong,
} from "./refusal.ts";
import { deployedRoutes, matchRoute, type Route } from "./route.ts";
import { verifySignature } from "./verify.ts";

export interface GatewayOptions {
  /** 0, the default: any free one. */
  readonly port?: number;
  readonly identities: readonly Identity[];
  /** Calls the route's function. It may throw: then the caller gets 500. */
  readonly invoke: (event: object, name: Route["function"]) => Promise<unknown>;
  /** `1.0`, the default, is a REST API; `2.0` is an HTTP API or a function URL. */
  readonly payloadFormat?: "1.0" | "2.0";
  readonly routes?: readonly Route[];
  readonly now?: () => Date;
  /** Default: 29 s, API Gateway's limit for a REST API. */
  readonly integrationTimeoutMs?: number;
  readonly fault?: FaultInjector;
}

export interface Gateway extends Listening {
  readonly calls: readonly GatewayCall[];
}

interface GatewayCall {
  readonly requestId: string;
  readonly method: string;
  readonly target: string;
  /** The ARN of the identity, if the signature is valid. */
  readonly userArn?: string;
  readonly status?: number;
  /** Why the gateway refused or the function failed. */
  readonly failure?: string;
}

const API = { region: "us-east-1", apiId: "a1b2c3d4e5", accountId: "111122223333", stage: "local" };
const MAX_BODY_BYTES = 10 * 1024 * 1024;

/**
 * A stand-in for API Gateway in front of the functions, with `AWS_IAM` on every method: it verifies
 * SigV4, checks what the caller's IAM policy allows (`invoke` of its identity), tells the function
 * who signed, and gives AWS's own answers where AWS would refuse.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const calls: GatewayCall[] = [];
  const faultOf = countingFaults(options.fault);
  const server = await listen({
    port: options.port ?? 0,
    what: "the gateway (--port)",
    maxBodyBytes: MAX_BODY_BYTES,
    serve: (request) => {
      // RFC 9112, section 3.2: a server must answer 400 if there is no Host or more than one.
      const hosts = request.headers.filter(([name]) => name.toLowerCase() === "host");
      if (hosts.length !== 1) {
        throw new UnreadableRequest(`The request has ${hosts.length} Host headers.`);
      }
      const fault = faultOf(`${request.method} ${splitTarget(request.target).path}`);
      return { fault, answer: () => answer(request, options, calls) };
    },
  });
  return { ...server, calls };
}

async function answer(request: RawRequest, options: GatewayOptions, calls: GatewayCall[]): Promise<Answer> {
  // A caller can choose the request id, but not the extended request id:
  // https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-access-logging.html
  const chosen = request.headers.find(([name]) => name.toLowerCase() === "x-amzn-requestid")?.[1] ?? "";
  const requestId = UUID.test(chosen) ? chosen : randomUUID();
  const extendedRequestId = `${randomBytes(11).toString("base64url")}=`;
  const call: GatewayCall = { requestId, method: request.method, target: request.target };
  calls.push(call);
  const routes = options.routes ?? deployedRoutes;
  const callsMethods = routes.some((route) => route.function === "call-method");
  const refuse = (refusal: Refusal, failure = refusal.type) => {
    const answer = fromRefusal(refusal, requestId, callsMethods);
    Object.assign(call, { status: answer.status, failure });
    return answer;
  };

  const { path } = splitTarget(request.target);
  const match = matchRoute(routes, request.method, path);
  if (match === undefined) return refuse(missingToken, "no such route");
  if (request.bodyTooLarge) return refuse(requestTooLong);
  const time = (options.now ?? (() => new Date()))();
  const verified = await verifySignature(request, { identities: options.identities, now: time });
  if (!("identity" in verified)) return refuse(verified);
  const { identity } = verified;
  Object.assign(call, { userArn: identity.userArn });
  const denied = checkPolicy(identity, { method: request.method, path }, API);
  if (denied !== undefined) return refuse(denied);

  const buildEvent = options.payloadFormat === "2.0" ? httpApiEvent : restEvent;
  const event = buildEvent({ request, match, identity, requestId, extendedRequestId, time, api: API });
  let result: unknown;
  try {
    result = await withTimeout(
      options.invoke(event, match.route.function),
      options.integrationTimeoutMs ?? 29_000,
    );
  } catch (error) {
    if (error instanceof IntegrationTimeout) return refuse(integrationTimeout, "the function took too long");
    return refuse(integrationFailure, error instanceof Error ? error.message : String(error));
  }
  const answer = fromProxyResult(result, requestId);
  if (answer === undefined) {
    console.error(`The gateway cannot use the answer of ${match.route.function}: it is malformed.`);
    return refuse(integrationFailure, "the function's answer is malformed");
  }
  Object.assign(call, { status: answer.status });
  return answer;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

class IntegrationTimeout extends Error {
  override readonly name = "IntegrationTimeout";
}

async function withTimeout<T>(work: Promise<T>, ms: number): Promise<T> {
  const timer = new AbortController();
  const timeout = wait(ms, undefined, { signal: timer.signal, ref: false }).then(() => {
    throw new IntegrationTimeout();
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    timeout.catch(() => undefined); // It is aborted next, and not awaited.
    timer.abort();
  }
}
