import { type ResponseKind, responseKinds } from "@tooltrail/core/response/response";
import * as z from "zod";
import { parse } from "./parameters.ts";

export { parseApply as parseResponseDocuments } from "./parameters.ts";

const kind = z.enum(responseKinds);
const responseQuery = z.strictObject({ kind: kind.optional() });
const responseName = z.strictObject({ kind, name: z.string().min(1).max(256) });

export const parseResponseQuery = (query: unknown) => parse(responseQuery, query);
/** Of a path: `Runbook`, `billing-2`. */
export const parseResponseName = (params: unknown): { readonly kind: ResponseKind; readonly name: string } =>
  parse(responseName, params);
