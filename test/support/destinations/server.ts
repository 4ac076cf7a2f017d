import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { bodyOf, listening } from "../aws-services.ts";

/** A request as it arrived. */
export interface Taken {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: { readonly [name: string]: string };
  readonly body: string;
}

export interface Answer {
  readonly status: number;
  readonly headers?: { readonly [name: string]: string };
  /** Text, or what is answered as JSON. */
  readonly body?: unknown;
}

/**
 * How a server fails. `slow`: no answer, ever. `dripping`: a byte now and then, without an end. `half-closed`: half an answer, and the end of the connection. `reset`: the connection is reset before
 * anything is done; `answer lost`: after it was done. `endless`: an answer that does not end, as fast as it is read. An answer of its own is given as it is, and nothing is done.
 */
export type Fault = "slow" | "dripping" | "half-closed" | "reset" | "answer lost" | "endless" | Answer;

export const rateLimited: Answer = { status: 429, headers: { "retry-after": "7" }, body: "slow down" };
export const broken: Answer = { status: 500, body: "something went wrong" };

export interface Destination {
  /** `http://127.0.0.1:N` */
  readonly url: string;
  /** All that arrived, also what was not taken, oldest first. */
  requests(): readonly Taken[];
  /** The next requests, so many of them, meet this. Nothing: they are answered again. */
  answerWith(fault?: Fault, times?: number): void;
  stop(): Promise<void>;
}

/** A server on a free port of loopback that answers as `answer` says, unless it was told to fail. */
export async function startServer(answer: (taken: Taken) => Answer): Promise<Destination> {
  const requests: Taken[] = [];
  let failing: { readonly fault: Fault; times: number } | undefined;

  const server = createServer(async (request, response) => {
    const taken = await take(request);
    requests.push(taken);
    if (failing === undefined || failing.times === 0) {
      write(response, answer(taken));
      return;
    }
    failing.times -= 1;
    if (failing.fault === "answer lost") answer(taken);
    fail(response, failing.fault);
  });
  // Whoever asked has gone away: that is what some of the faults are for.
  server.on("clientError", (_, socket) => socket.destroy());
  const { endpoint, close } = await listening(server);
  return {
    url: endpoint,
    requests: () => requests,
    answerWith(fault, times = Number.MAX_SAFE_INTEGER) {
      failing = fault && { fault, times };
    },
    stop: close,
  };
}

async function take(request: IncomingMessage): Promise<Taken> {
  const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)]);
  return {
    method: request.method ?? "",
    path: request.url ?? "",
    headers: Object.fromEntries(headers),
    body: await bodyOf(request),
  };
}

function write(response: ServerResponse, { status, headers = {}, body }: Answer): void {
  const isText = typeof body === "string" || body === undefined;
  response.writeHead(status, { "content-type": isText ? "text/plain" : "application/json", ...headers });
  response.end(isText ? body : JSON.stringify(body));
}

function fail(response: ServerResponse, fault: Fault): void {
  switch (fault) {
    case "slow":
      return;
    case "dripping": {
      response.writeHead(200);
      const timer = setInterval(() => response.write("."), 20);
      response.on("close", () => clearInterval(timer));
      return;
    }
    case "half-closed":
      response.writeHead(202, { "content-length": "100" });
      response.write("half of ");
      setTimeout(() => response.socket?.end(), 20);
      return;
    case "endless": {
      response.writeHead(200);
      const more = () => {
        while (response.writable && response.write(Buffer.alloc(16_384, "x")));
        response.once("drain", more);
      };
      more();
      return;
    }
    case "reset":
    case "answer lost":
      response.socket?.resetAndDestroy();
      return;
    default:
      write(response, fault);
  }
}

/** Said by a server that does not take a request. */
export class Refused extends Error {
  readonly answer: Answer;
  constructor(answer: Answer) {
    super(JSON.stringify(answer.body));
    this.answer = answer;
  }
}

/** Answers what `run` does, or why it was refused. */
export function answering(run: () => Answer): Answer {
  try {
    return run();
  } catch (error) {
    if (error instanceof Refused) return error.answer;
    throw error;
  }
}

/** The members of a body that must be a JSON object, sent as one. @throws Refused */
export function objectIn(
  { headers, body }: Taken,
  refuse: (why: string) => Refused,
): { readonly [name: string]: unknown } {
  if (!/^application\/json\b/.test(headers["content-type"] ?? "")) throw refuse("not sent as application/json");
  if (headers["content-length"] !== String(Buffer.byteLength(body))) throw refuse("without a length");
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw refuse("no JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw refuse("no object");
  return { ...value };
}

export const isText = (value: unknown, max: number): value is string =>
  typeof value === "string" && value !== "" && value.length <= max;

export const isObject = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value);
