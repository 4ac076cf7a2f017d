import { AppError, type WriteOutcome } from "@tooltrail/core/errors";
import type { Http, HttpAnswer, HttpRequest } from "@tooltrail/core/incidents/ports";
import { isLoopback } from "@tooltrail/format";

const maxBytes = 256 * 1024;

/** Codes of failures before anything was sent: names, routes, ports, and certificates that do not hold. */
const neverSent =
  /^(ECONNREFUSED|ENOTFOUND|EAI_|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT$|ERR_TLS_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;

/**
 * Other servers over HTTP. What goes wrong is said without the address and without what Node says of it: both may hold a secret.
 *
 * @param timeoutMs for all of it, from the first byte sent to the last one read. A test sets it.
 */
export const fetchHttp = ({ timeoutMs = 10_000 }: { readonly timeoutMs?: number } = {}): Http => ({
  async send(request) {
    const asked = requestOf(request);
    try {
      return await ask(asked, AbortSignal.timeout(timeoutMs));
    } catch (error) {
      throw failureOf(error, timeoutMs);
    }
  },
});

/** Checked again here, where it is sent: a document may have been written before the rule was. @throws AppError invalid */
function requestOf({ url, method, headers, body }: HttpRequest): Request {
  const address = URL.canParse(url) ? new URL(url) : undefined;
  if (
    address === undefined ||
    (address.protocol !== "https:" && !(address.protocol === "http:" && isLoopback(address)))
  )
    throw invalid("The address is none that is asked: it must be https, or http to this machine's loopback.");
  if (address.username !== "" || address.password !== "")
    throw invalid("The address has a user or a password in it, and is not asked.");
  try {
    return new Request(address, { method, headers, redirect: "manual", ...(body !== undefined && { body }) });
  } catch {
    throw invalid("The request has a header that cannot be sent: a secret with a line feed in it, perhaps.");
  }
}

const invalid = (message: string): AppError => new AppError("invalid", message, { outcome: "not-applied" });

async function ask(request: Request, signal: AbortSignal): Promise<HttpAnswer> {
  const response = await fetch(request, { signal });
  return { status: response.status, headers: Object.fromEntries(response.headers), body: await beginningOf(response) };
}

/** What comes after the first 256 KiB is not waited for. */
async function beginningOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= maxBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, maxBytes).toString("utf8");
}

function failureOf(error: unknown, timeoutMs: number): AppError {
  if (error instanceof Error && error.name === "TimeoutError")
    return unavailable(`There was no answer, or not all of it, within ${timeoutMs} ms.`, "unknown");
  // A port of another protocol, such as IRC's, which no fetch asks (https://fetch.spec.whatwg.org/#port-blocking).
  if (((error as Error).cause as Error | undefined)?.message === "bad port")
    return invalid("The address has a port that is never asked, since it is another protocol's.");
  const code = codeOf(error);
  return neverSent.test(code)
    ? unavailable(`No connection came about: ${code}.`, "not-applied")
    : unavailable(`The connection ended before all of the answer was there: ${code}.`, "unknown");
}

/** Of a failed fetch the cause tells, and of several addresses that were tried the first. */
function codeOf(error: unknown): string {
  const { cause } = error as { readonly cause?: { readonly code?: unknown; readonly errors?: readonly object[] } };
  const code = cause?.code ?? (cause?.errors?.[0] as { readonly code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : "without a reason";
}

const unavailable = (message: string, outcome: WriteOutcome): AppError =>
  new AppError("unavailable", message, { outcome });
