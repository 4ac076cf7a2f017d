import { randomUUID, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from "aws-lambda";
import type { Bus } from "./bus.ts";
import type { LogRequest } from "./log-files.ts";
import { contextOf } from "./poller.ts";

export type HttpFunction = (
  event: APIGatewayProxyEventV2,
  context: Context,
) => Promise<APIGatewayProxyStructuredResultV2>;

const maxBodyBytes = 2 * 1024 * 1024;

/**
 * The one port: PutEvents at `POST /`, `/healthz`, the log, and the api function behind a bearer token, called as API Gateway would.
 *
 * A page in a browser on this machine is the attacker to keep out: a foreign Host (DNS rebinding) or Origin is refused everywhere.
 */
export function createHttpServer(options: {
  readonly bus: Bus;
  readonly api: HttpFunction;
  readonly log: (request: LogRequest) => Promise<Answer>;
  readonly token: string;
  readonly onError: (error: unknown) => void;
}): Server {
  const server = createServer((request, response) => {
    answer(request).then(
      (result) => send(response, result),
      (error) => {
        if (!(error instanceof TooLarge)) options.onError(error);
        send(
          response,
          error instanceof TooLarge
            ? closing(json(413, "too_large", error.message))
            : json(500, "internal", "Something went wrong here; the log has more."),
        );
      },
    );
  });
  server.requestTimeout = 30_000;
  server.headersTimeout = 10_000;
  return server;

  async function answer(request: IncomingMessage): Promise<Answer> {
    if (!isLocal(request))
      return json(403, "forbidden", "This address answers to this machine alone: Host or Origin is foreign.");
    const target = `http://local${request.url}`;
    if (!URL.canParse(target) || !request.url?.startsWith("/"))
      return json(400, "invalid", "The request's target is not a path.");
    const { pathname, search } = new URL(target);
    if (pathname === "/healthz") return { status: 200, headers: { "content-type": "text/plain" }, body: "ok\n" };
    if (pathname === "/")
      return request.method === "POST" ? putEvents(request) : json(405, "invalid", "POST / takes PutEvents.");
    if (pathname.startsWith("/log/"))
      return options.log({
        method: request.method,
        path: pathname.slice("/log/".length),
        ifNoneMatch: request.headers["if-none-match"],
      });
    if (!hasToken(request, options.token))
      return json(401, "unauthorized", "A bearer token is needed; it is in the data folder's file `token`.");
    return callApi(request, pathname, search.slice(1));
  }

  async function putEvents(request: IncomingMessage): Promise<Answer> {
    const target = request.headers["x-amz-target"];
    const { status, body } = options.bus.answer(Array.isArray(target) ? target[0] : target, await read(request));
    return {
      status,
      headers: { "content-type": "application/x-amz-json-1.1", "x-amzn-requestid": randomUUID() },
      body: JSON.stringify(body),
    };
  }

  async function callApi(request: IncomingMessage, path: string, query: string): Promise<Answer> {
    const event = apiEvent(request, path, query, await read(request));
    const { statusCode, headers, body, isBase64Encoded } = await options.api(event, contextOf("api"));
    return {
      status: statusCode ?? 200,
      headers: Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)])),
      body: isBase64Encoded ? Buffer.from(body ?? "", "base64") : (body ?? ""),
    };
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: { readonly [name: string]: string };
  readonly body: string | Buffer;
}

class TooLarge extends Error {}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, {
    "cache-control": "no-store",
    ...headers,
    // Said here, since a HEAD's answer has no body to count.
    ...(status !== 304 && { "content-length": Buffer.byteLength(body) }),
    "x-content-type-options": "nosniff",
  });
  response.end(body);
}

/** What is left of the request is not read, so the connection cannot be used again. */
const closing = (answer: Answer): Answer => ({ ...answer, headers: { ...answer.headers, connection: "close" } });

const json = (status: number, code: string, message: string): Answer => ({
  status,
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ error: { code, message } }),
});

const localName = /^(127(\.\d{1,3}){3}|localhost|\[::1\])(:\d+)?$/;

function isLocal({ headers: { host, origin } }: IncomingMessage): boolean {
  if (host === undefined || !localName.test(host)) return false;
  return origin === undefined || origin === `http://${host}`;
}

function hasToken({ headers: { authorization = "" } }: IncomingMessage, token: string): boolean {
  const given = Buffer.from(authorization);
  const wanted = Buffer.from(`Bearer ${token}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Not destroyed when this gives up: the answer still has to leave by the same socket.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) throw new TooLarge(`A request has at most ${maxBodyBytes} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** What API Gateway's HTTP API (payload 2.0) would hand to the function. The token is not among it. */
function apiEvent(request: IncomingMessage, path: string, query: string, body: string): APIGatewayProxyEventV2 {
  const method = request.method ?? "GET";
  const headers = Object.fromEntries(
    Object.entries(request.headers)
      .filter(([name, value]) => value !== undefined && name !== "authorization")
      .map(([name, value]) => [name, Array.isArray(value) ? value.join(",") : String(value)]),
  );
  const now = new Date();
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath: path,
    rawQueryString: query,
    headers,
    requestContext: {
      accountId: "000000000000",
      apiId: "local",
      domainName: headers.host ?? "localhost",
      domainPrefix: "local",
      http: { method, path, protocol: "HTTP/1.1", sourceIp: "127.0.0.1", userAgent: headers["user-agent"] ?? "" },
      requestId: randomUUID(),
      routeKey: "$default",
      stage: "$default",
      time: now.toISOString(),
      timeEpoch: now.getTime(),
    },
    ...(body !== "" && { body }),
    isBase64Encoded: false,
  };
}
