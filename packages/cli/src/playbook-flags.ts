import { type ResponseKind, responseKinds } from "@tooltrail/core/response/response";
import { type ConnectFlags, connectFlags } from "./connect.ts";

export interface ResponseFlags extends ConnectFlags {
  readonly json: boolean;
}

export const responseFlags = {
  ...connectFlags,
  json: { kind: "boolean", brief: "print one JSON document", default: false },
} as const;

/** As people say them. */
const words = responseKinds.map((kind) => [kind, kind === "ResponsePolicy" ? "policy" : kind.toLowerCase()] as const);
export const kindsBrief = words.map(([, word]) => word).join(", ");

/** `runbook`, also as documents write it: `Runbook`. @throws Error for any other word. */
export function kindOf(text: string): ResponseKind {
  const [kind] = words.find(([name, word]) => name === text || word === text.toLowerCase()) ?? [];
  if (kind !== undefined) return kind;
  throw new Error(`"${text}" is none of ${kindsBrief}`);
}

export const pathOf = (kind: ResponseKind, name: string): string => `/v1/response/${kind}/${encodeURIComponent(name)}`;
