import type { ErrorAnswer } from "@tooltrail/api/types";
import { type Authorize, bodyType } from "./authorize.ts";

/** The pipeline said no, and why. `status` is HTTP's. */
export class Refused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The pipeline could not be asked. */
export class Unreachable extends Error {}

export interface Client {
  get<T>(path: string, query?: { readonly [name: string]: string | undefined }): Promise<T>;
  text(path: string): Promise<string>;
  /** @param body as JSON; absent: none. */
  post<T>(path: string, body?: object): Promise<T>;
  delete<T>(path: string): Promise<T>;
}

const timeoutMs = 30_000;

/** Asks the HTTP API. 30 s a request, not tried again: whoever sits at a terminal can. */
export function createClient(endpoint: string, authorize: Authorize): Client {
  const at = (path: string): URL => new URL(`.${path}`, endpoint.endsWith("/") ? endpoint : `${endpoint}/`);
  return {
    get: (path, query = {}) => {
      const url = at(path);
      for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
      return json(url, "GET");
    },
    text: async (path) => (await ask(at(path), "GET")).text(),
    post: (path, body) => json(at(path), "POST", body && JSON.stringify(body)),
    delete: (path) => json(at(path), "DELETE"),
  };

  async function json<T>(url: URL, method: string, body?: string): Promise<T> {
    return (await (await ask(url, method, body)).json()) as T;
  }

  async function ask(url: URL, method: string, body?: string): Promise<Response> {
    const response = await fetch(url, {
      method,
      redirect: "error",
      headers: { ...(body !== undefined && { "content-type": bodyType }), ...(await authorize(method, url, body)) },
      ...(body !== undefined && { body }),
      signal: AbortSignal.timeout(timeoutMs),
    }).catch((error: Error) => {
      const { code } = (error.cause ?? error) as { code?: string };
      throw new Unreachable(
        `no pipeline answers at ${endpoint} (${code ?? error.message}). Start one with npm start, or set TOOLTRAIL_ENDPOINT.`,
      );
    });
    if (response.ok) return response;
    const answer = (await response.json().catch(() => undefined)) as ErrorAnswer | undefined;
    throw new Refused(response.status, answer?.error.message ?? `the pipeline answered ${response.status}.`);
  }
}
