import { AppError } from "../errors.ts";
import type { Attempt, HttpAnswer, HttpRequest, Ways } from "../incidents/ports.ts";
import type { Destination, SecretRef } from "../response/response.ts";
import { cut, plainText } from "./words.ts";

/*
 * One attempt at somebody else's server, whatever it is for. What an answer means is the same for all of them:
 *
 * | answer                                                     | outcome                                                              |
 * | ---------------------------------------------------------- | -------------------------------------------------------------------- |
 * | 2xx                                                        | whatever it was for is done                                          |
 * | 401                                                        | later: a secret that is being rotated is wrong for a while           |
 * | 408, 425, 429, 5xx                                         | later, not before its Retry-After                                    |
 * | 403 with Retry-After or `x-ratelimit-remaining: 0`         | later: how GitHub limits rates                                       |
 * | all others, also a redirect: what is sent may hold a secret | never                                                                |
 * | none, or not all of it                                     | later, although it may have been taken: at least once                |
 */

type Failed = Extract<Attempt, { readonly outcome: "failed" }>;

export const skipped: Attempt = { outcome: "skipped" };
export const done: Attempt = { outcome: "done" };

/** Ends an attempt early. `attempt` makes a value of it, so that it never leaves this folder. */
export class Failure extends Error {
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  constructor(why: string, retryable: boolean, retryAfterMs?: number) {
    super(why);
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
  }
}

/** What an attempt may do. */
export interface Errand {
  /** @throws Failure where it is not there. Somebody may put it in place, so that is worth another attempt. */
  secret(ref: SecretRef): Promise<string>;
  /** @returns an answer of the two hundreds. @throws Failure for any other. */
  send(request: HttpRequest): Promise<HttpAnswer>;
  /** What the other side says, in one line, at most so long, and without any secret that it sends back. */
  quote(text: string, max: number): string;
}

/**
 * Runs it, and makes a value of whatever ends it. Never throws, and says no secret: neither one that it read, nor one that went into a header, even where the other side sends it back.
 */
export async function attempt<T extends Attempt>(
  ways: Ways,
  destination: Destination,
  run: (errand: Errand) => Promise<T>,
): Promise<T | Failed> {
  const secrets = new Set<string>();
  const hide = (text: string): string =>
    [...secrets].sort((a, b) => b.length - a.length).reduce((said, one) => said.replaceAll(one, "(secret)"), text);
  const errand: Errand = {
    async secret({ secret }) {
      const value = await ways.secrets.read(secret);
      if (!value) throw new Failure(`there is no secret "${secret}". Put it where the pipeline's secrets are.`, true);
      for (const part of [value, pathOf(value), ...partsOf(value)]) if (part.length > 1) secrets.add(part);
      return value;
    },
    async send(request) {
      const { authorization } = request.headers;
      if (authorization !== undefined) secrets.add(authorization.replace(/^\w+ /, ""));
      const answer = await ways.http.send({ ...request, headers: { "user-agent": "tooltrail", ...request.headers } });
      if (answer.status >= 200 && answer.status < 300) return answer;
      const { retryable, retryAfterMs } = judge(answer, ways.now());
      throw new Failure(`the answer was ${answer.status}: ${errand.quote(answer.body, 300)}`, retryable, retryAfterMs);
    },
    // First hidden, then cut: half a secret would not be found.
    quote: (text, max) => cut(hide(plainText(text)), max),
  };
  try {
    return await run(errand);
  } catch (error) {
    const { why, retryable, retryAfterMs } = reasonOf(error);
    return {
      outcome: "failed",
      retryable,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      why: `${destination.type} "${destination.name}": ${hide(why)}`,
    };
  }
}

/** The whole address of an incoming webhook is its secret; a server that quotes it quotes its path. */
const pathOf = (value: string): string => (URL.canParse(value) ? new URL(value).pathname : "");

/** What somebody may quote of it: a word of an address, or a key without what it begins with. */
const partsOf = (value: string): string[] => value.split(/[/_?&=:]+/).filter((part) => part.length >= 8);

/** What this code does not know itself is said by name alone: its words may quote what was sent. */
function reasonOf(error: unknown): {
  readonly why: string;
  readonly retryable: boolean;
  readonly retryAfterMs?: number | undefined;
} {
  if (error instanceof Failure)
    return { why: error.message, retryable: error.retryable, retryAfterMs: error.retryAfterMs };
  if (error instanceof AppError) return { why: error.message, retryable: error.retryable };
  return { why: `unexpected ${error instanceof Error ? error.name : "failure"}.`, retryable: true };
}

function judge(
  { status, headers }: HttpAnswer,
  nowMs: number,
): { readonly retryable: boolean; readonly retryAfterMs?: number } {
  const limited = status === 403 && (headers["retry-after"] !== undefined || headers["x-ratelimit-remaining"] === "0");
  const retryable = limited || status >= 500 || [401, 408, 425, 429].includes(status);
  const retryAfterMs = retryable ? retryAfterOf(headers, nowMs) : undefined;
  return { retryable, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

/** Retry-After is a number of seconds or a date (RFC 9110, 10.2.3); GitHub says by `x-ratelimit-reset` at which second its limit ends. */
function retryAfterOf(headers: HttpAnswer["headers"], nowMs: number): number | undefined {
  const said = headers["retry-after"]?.trim() ?? "";
  if (/^\d{1,9}$/.test(said)) return Number(said) * 1_000;
  const reset = headers["x-ratelimit-remaining"] === "0" ? Number(headers["x-ratelimit-reset"]) * 1_000 : Number.NaN;
  const at = said === "" ? reset : Date.parse(said);
  return Number.isFinite(at) ? Math.max(0, at - nowMs) : undefined;
}

/** @returns what an answer holds, undefined where it is no JSON, or not all of it. */
export function jsonOf({ body }: HttpAnswer): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** The members of what should be an object; none where it is not. */
export const membersOf = (value: unknown): { readonly [name: string]: unknown } =>
  typeof value === "object" && value !== null ? { ...value } : {};
