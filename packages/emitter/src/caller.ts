import type { PrincipalName } from "@tooltrail/format";
import type { Caller } from "./tracker.ts";

/** What an SDK's transport says of who sent a message, as far as both SDKs say it. Its token is never looked at. */
export interface AuthInfo {
  readonly clientId?: string;
  readonly scopes?: readonly string[];
  readonly extra?: { readonly [claim: string]: unknown };
}

/** Beside a message: `authInfo` where the request was authenticated, `requestInfo` (1.x) or `request` (2.x) where it came by HTTP. */
export interface MessageExtra {
  readonly authInfo?: AuthInfo | undefined;
  readonly requestInfo?: { readonly headers?: unknown } | undefined;
  readonly request?: { readonly headers?: unknown } | undefined;
}

/** Names whom a token was issued to. `undefined`: it does not say. */
export type NameOf = (auth: AuthInfo) => PrincipalName | undefined;

/** `iss` and `sub` where the token's verifier passed them on in `extra`; else the client that it was issued to, marked as one. */
export const nameInToken: NameOf = ({ clientId, extra }) => {
  const issuer = typeof extra?.iss === "string" ? extra.iss : "oauth";
  if (typeof extra?.sub === "string" && extra.sub !== "") return { issuer, subject: extra.sub };
  return clientId ? { issuer, subject: `client:${clientId}` } : undefined;
};

const nobody: PrincipalName = { issuer: "", subject: "" };
const maxText = 512;

/** What is known of a transport itself. */
export interface Carrier {
  readonly sessionId?: string | undefined;
  /** See `isStdio`. */
  readonly stdio: boolean;
}

/**
 * Whether a transport reads this process's standard input, where nobody writes but whoever started it: either SDK's own transport for stdio, or the
 * channel that `serveStdio` of 2.x puts before it. By their fields, since neither SDK is imported; what is not recognised may be anybody's.
 */
export function isStdio(transport: object): boolean {
  const { _wire = transport } = transport as { readonly _wire?: object };
  return (_wire as { readonly _stdin?: { readonly fd?: unknown } } | null)?._stdin?.fd === 0;
}

/**
 * Who sent a message, where that is not the operating system's user: whoever the token says, else nobody known. A bridge from WebSockets, or HTTP without
 * the SDK, is like HTTP without a token: who is at its other end, nobody checked.
 *
 * @returns undefined for a message that came by stdio.
 */
export function callerOf(
  extra: MessageExtra | undefined,
  { sessionId, stdio }: Carrier,
  nameOf: NameOf,
  pseudonym: (name: PrincipalName) => string,
): Caller | undefined {
  const auth = extra?.authInfo;
  const request = extra?.requestInfo ?? extra?.request;
  if (stdio && auth === undefined && request === undefined && sessionId === undefined) return undefined;
  const name = auth && named(auth, nameOf);
  const protocol = headerOf(request?.headers, "mcp-protocol-version");
  const where = { ...(sessionId && { sessionId }), ...(protocol && { protocol }) };
  if (name === undefined) return { principal: { ref: pseudonym(nobody), method: "none", verified: false }, ...where };
  // The pseudonym is of the whole name; what is kept beside it is cut to what a batch takes.
  const kept = { issuer: cut(name.issuer), subject: cut(name.subject) };
  return { principal: { ref: pseudonym(name), method: "token", verified: true }, name: kept, ...where };
}

/** The operator's own function may fail, or say nothing: then nobody is known, and the call is recorded all the same. */
function named(auth: AuthInfo, nameOf: NameOf): PrincipalName | undefined {
  try {
    const { issuer, subject } = nameOf(auth) ?? {};
    return typeof issuer === "string" && typeof subject === "string" && subject !== ""
      ? { issuer, subject }
      : undefined;
  } catch {
    return undefined;
  }
}

const cut = (text: string): string => text.slice(0, maxText).toWellFormed();

function headerOf(headers: unknown, name: string): string | undefined {
  const value =
    headers instanceof Headers ? headers.get(name) : (headers as Record<string, unknown> | undefined)?.[name];
  return typeof value === "string" ? value : undefined;
}
