import { createServer, type ServerResponse } from "node:http";
import { type Listening, listening } from "./aws-services.ts";

/** How a request to S3 can go wrong on the wire. */
export type S3Fault =
  | "throttled"
  | "in conflict"
  | "broken"
  | "timed out"
  | "failed but persisted"
  | "cut off"
  | "forbidden";

export interface FaultyS3 extends Listening {
  /** The method of every request that came by. */
  readonly requests: string[];
  /** From now on requests of the method meet the fault, `times` times. */
  break(method: string, fault: S3Fault, times: number): void;
  /** How often the fault was met. */
  hits(): number;
}

const codes = {
  throttled: [503, "SlowDown"],
  "in conflict": [409, "ConditionalRequestConflict"],
  broken: [500, "InternalError"],
  forbidden: [403, "AccessDenied"],
} as const;

/** Stands between the adapters and S3: over HTTP, so that what the AWS client makes of a fault is part of the test. */
export async function faultyS3(s3: string): Promise<FaultyS3> {
  const requests: string[] = [];
  let broken: { method: string; fault: S3Fault; times: number } | undefined;
  let hits = 0;

  const server = createServer(async (request, response) => {
    const { method = "", url = "" } = request;
    requests.push(method);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const forward = async (): Promise<Response> => {
      const { host: _, connection: __, "content-length": ___, expect: ____, ...headers } = request.headers;
      const body = method === "PUT" ? Buffer.concat(chunks) : undefined;
      return fetch(`${s3}${url}`, { method, headers: headers as Record<string, string>, ...(body && { body }) });
    };
    if (broken === undefined || broken.times === 0 || broken.method !== method) return relay(await forward(), response);
    hits += 1;
    broken.times -= 1;
    return fail(broken.fault, forward, response);
  });

  return {
    ...(await listening(server)),
    requests,
    break(method, fault, times) {
      broken = { method, fault, times };
      hits = 0;
    },
    hits: () => hits,
  };
}

async function relay(answer: Response, response: ServerResponse, cutAt?: number): Promise<void> {
  const body = await answer.bytes();
  const { connection: _, "transfer-encoding": __, ...headers } = Object.fromEntries(answer.headers);
  response.writeHead(answer.status, { ...headers, "content-length": body.length });
  if (cutAt === undefined) response.end(body);
  else response.write(body.subarray(0, cutAt), () => response.destroy());
}

async function fail(fault: S3Fault, forward: () => Promise<Response>, response: ServerResponse): Promise<void> {
  switch (fault) {
    case "timed out":
      return; // no answer, ever
    case "failed but persisted":
      await forward();
      response.destroy();
      return;
    case "cut off":
      return relay(await forward(), response, 1_000);
    default: {
      const [status, code] = codes[fault];
      response.writeHead(status, { "content-type": "application/xml" });
      response.end(`<Error><Code>${code}</Code><Message>as planned</Message></Error>`);
    }
  }
}
