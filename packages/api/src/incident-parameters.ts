import { AppError } from "@tooltrail/core/errors";
import { given } from "@tooltrail/core/given";
import type { Command } from "@tooltrail/core/incidents/incident";
import { statuses } from "@tooltrail/core/incidents/incident";
import type { Change } from "@tooltrail/core/postmortem/edit";
import { actionItemTypes, type HumanField, humanFields } from "@tooltrail/core/postmortem/postmortem";
import { actionKinds } from "@tooltrail/core/response/response";
import { isIncidentId } from "@tooltrail/format";
import * as z from "zod";
import { parse } from "./parameters.ts";

const incidentsQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().refine(isIncidentId, "is not one that this server gave out.").optional(),
  status: z.enum([...statuses, "live"]).optional(),
  server: z.string().min(1).max(256).optional(),
});

const words = z.string().trim().min(1).max(2_000);
const action = z.string().min(1).max(40);
const param = z.union([z.string().max(1_024), z.number(), z.boolean()]);

/** What a person may ask of an incident. `act` names no id: that is the incident's to give. */
const command = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("acknowledge") }),
  z.strictObject({ type: z.literal("mitigate") }),
  z.strictObject({
    type: z.literal("status"),
    text: words,
    owner: z.string().trim().min(1).max(256),
    etaAt: z.int().min(0).max(8.64e15),
  }),
  z.strictObject({ type: z.literal("note"), text: words }),
  z.strictObject({ type: z.literal("resolve") }),
  z.strictObject({ type: z.literal("cancel"), reason: words }),
  z.strictObject({ type: z.literal("merge"), into: z.string().refine(isIncidentId, "is not an incident's id.") }),
  z.strictObject({ type: z.literal("close") }),
  z.strictObject({
    type: z.literal("act"),
    kind: z.enum(actionKinds),
    params: z
      .record(z.string().min(1).max(64), param)
      .refine((params) => JSON.stringify(params).length <= 1_000, "has more than 1,000 characters.")
      .default({}),
  }),
  z.strictObject({ type: z.literal("approve"), action }),
  z.strictObject({ type: z.literal("reject"), action, reason: words.max(500) }),
  z.strictObject({ type: z.literal("finish"), action, isDone: z.boolean(), detail: words.max(500) }),
  z.strictObject({ type: z.literal("undo"), action }),
  z.strictObject({ type: z.literal("judge"), result: z.enum(["pass", "fail"]), reason: words }),
]);

/** What a person asks, before the incident has given an action its id. */
export type Asked = Exclude<Command, { type: "act" }> | Omit<Extract<Command, { type: "act" }>, "action" | "approval">;

const field = z.string().max(4_000).optional();
const owner = z.string().min(1).max(100);
const dueAt = z.int().min(0).max(8.64e15);
const itemType = z.enum(actionItemTypes);
const title = z.string().min(1).max(300);
const item = z.string().min(1).max(64);
/** What people say in a postmortem. What is too much is refused by core, with the reason. */
const edit = z.strictObject({
  ...(Object.fromEntries(humanFields.map((name) => [name, field])) as { [name in HumanField]: typeof field }),
  title: title.optional(),
  actionItems: z
    .array(
      z.discriminatedUnion("op", [
        z.strictObject({
          op: z.literal("add"),
          title,
          type: itemType,
          owner: owner.optional(),
          dueAt: dueAt.optional(),
        }),
        z.strictObject({
          op: z.literal("change"),
          id: item,
          title: title.optional(),
          type: itemType.optional(),
          owner: owner.nullable().optional(),
          dueAt: dueAt.nullable().optional(),
          done: z.boolean().optional(),
        }),
        z.strictObject({ op: z.literal("remove"), id: item }),
      ]),
    )
    .max(50)
    .optional(),
  expectedRevision: z.int().min(1).optional(),
});

const retried = z.strictObject({ id: z.string().min(1).max(200).optional() });

export const parseIncidentsQuery = (query: unknown) => parse(incidentsQuery, query);
export const parseCommand = (body: unknown): Asked => parse(command, body) as Asked;
export const parseEdit = (body: unknown): Change => given(parse(edit, body)) as Change;
export const parseRetry = (body: unknown) => parse(retried, body);

/** @throws AppError not_found: what is no number is the number of none. */
export function parseRevision(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new AppError("not_found", `There is no revision ${text.slice(0, 20)}.`);
}

/** A key as RFC drafts have it: up to 255 visible characters, quotes or not. @throws AppError invalid */
export function parseIdempotencyKey(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (/^[!-~]{1,255}$/.test(header)) return header;
  throw new AppError("invalid", "Idempotency-Key: must be 1 to 255 visible ASCII characters.");
}

/** @throws AppError invalid */
export function parseIncidentId(id: string): string {
  if (isIncidentId(id)) return id;
  throw new AppError("not_found", `There is no incident ${id.slice(0, 100)}.`);
}
