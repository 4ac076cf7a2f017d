import type { ErrorAnswer } from "@tooltrail/api/types";
import { type Authorize, bodyType } from "./authorize.ts";
import { plain } from "./table.ts";

/** The pipeline said no, and why. `status` is HTTP's. */
export class Refused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The pipeline could not be asked, or its answer did not arrive. */
export class Unreachable extends Error {}

export interface Client {
  get<T>(path: string, query?: { readonly [name: string]: string | undefined }, how?: How): Promise<T>;
  text(path: string): Promise<string>;
  /** @param body as JSON; absent: none. */
  post<T>(path: string, body?: object, how?: How): Promise<T>;
  delete<T>(path: string): Promise<T>;
}

/** `withinMs`: for the whole answer. `idempotencyKey`: a request that is sent again with it is done once. */
export interface How {
  readonly withinMs?: number;
  readonly idempotencyKey?: string;
}

const timeoutMs = 30_000;

/** Asks the HTTP API. 30 s a request unless it is told otherwise, not tried again: whoever sits at a terminal can. */
export function createClient(endpoint: string, authorize: Authorize): Client {
  const at = (path: string): URL => new URL(`.${path}`, endpoint.endsWith("/") ? endpoint : `${endpoint}/`);
  return {
    get: (path, query = {}, how) => {
      const url = at(path);
      for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
      return json(url, "GET", undefined, how);
    },
    text: async (path) => answered((await ask(at(path), "GET")).text()),
    post: (path, body, how) => json(at(path), "POST", body && JSON.stringify(body), how),
    delete: (path) => json(at(path), "DELETE"),
  };

  async function json<T>(url: URL, method: string, body?: string, how?: How): Promise<T> {
    return answered((await ask(url, method, body, how)).json() as Promise<T>);
  }

  async function ask(
    url: URL,
    method: string,
    body?: string,
    { withinMs = timeoutMs, idempotencyKey }: How = {},
  ): Promise<Response> {
    const headers = {
      ...(body !== undefined && { "content-type": bodyType }),
      // Signature Version 4 lets a header be that is not signed.
      ...(idempotencyKey !== undefined && { "idempotency-key": idempotencyKey }),
      ...(await authorize(method, url, body)),
    };
    const request = { method, redirect: "error", headers, ...(body !== undefined && { body }) } as const;
    const response = await answered(fetch(url, { ...request, signal: AbortSignal.timeout(withinMs) }));
    if (response.ok) return response;
    const answer = (await response.json().catch(() => undefined)) as ErrorAnswer | undefined;
    throw new Refused(
      response.status,
      linesOf(answer?.error?.message ?? `the pipeline answered ${response.status}.`).join("\n"),
    );
  }

  /** @throws Unreachable where an answer ends before its time, too. */
  function answered<T>(answer: Promise<T>): Promise<T> {
    return answer.catch((error: Error) => {
      const { code } = (error.cause ?? error) as { code?: string };
      throw new Unreachable(
        `no pipeline answers at ${endpoint} (${code ?? error.message}). Start one with npm start, or set TOOLTRAIL_ENDPOINT.`,
      );
    });
  }
}

const linesOf = (message: string): string[] => message.split("\n").map(plain);
