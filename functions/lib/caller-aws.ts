import type { Caller } from "@tooltrail/core/audit";
import { AppError } from "@tooltrail/core/errors";

/** As far as API Gateway's HTTP API (payload 2.0) says who called: nothing about it has been checked. */
interface Authorized {
  readonly requestContext?: {
    readonly authorizer?: {
      readonly jwt?: { readonly claims?: { readonly iss?: unknown; readonly sub?: unknown } };
      readonly iam?: { readonly accountId?: unknown; readonly userArn?: unknown };
    };
  };
}

/**
 * Who calls, as API Gateway verified it: a token's issuer and subject, or the ARN that signed the request, under its account.
 *
 * @throws AppError `unauthorized` where it verified nobody: a route without an authorizer answers nothing.
 */
export function callerOf(event: unknown): Caller {
  const { jwt, iam } = (event as Authorized).requestContext?.authorizer ?? {};
  const caller =
    known(jwt?.claims?.iss, jwt?.claims?.sub) ??
    known(typeof iam?.accountId === "string" ? `aws:${iam.accountId}` : undefined, iam?.userArn);
  if (caller === undefined) throw new AppError("unauthorized", "The request carries no identity that was verified.");
  return caller;
}

/** Both as long as a batch's sides may hold them. */
const known = (issuer: unknown, subject: unknown): Caller | undefined =>
  isName(issuer) && isName(subject) ? { issuer, subject, method: "token", verified: true } : undefined;

const isName = (text: unknown): text is string => typeof text === "string" && text !== "" && text.length <= 512;
