import { AppError } from "@tooltrail/core/errors";
import { emitterStates } from "@tooltrail/core/follow/continuity";
import { isTraceparent, outcomeClasses, outcomeReasons, recordKinds } from "@tooltrail/format";
import * as z from "zod";

const units = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** A time as ISO 8601 (a date alone is its midnight UTC), or as how long ago: `90s`, `15m`, `24h`, `7d`, `2w`. @returns milliseconds */
export function parseTime(text: string, nowMs: number): number | undefined {
  const [, amount, unit] = /^(\d{1,6})([smhdw])$/.exec(text) ?? [];
  if (amount !== undefined) return Math.max(0, nowMs - Number(amount) * units[unit as keyof typeof units]);
  if (!/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

const time = (nowMs: number) =>
  z.string().transform((text, context) => {
    const ms = parseTime(text, nowMs);
    if (ms !== undefined) return ms;
    context.addIssue(`"${text}" is neither a time like 2026-01-31T12:00:00Z nor a span like 15m, 24h or 7d.`);
    return z.NEVER;
  });

const page = (max: number) => ({
  limit: z.coerce.number().int().min(1).max(max).default(100),
  cursor: z.string().max(2_048).optional(),
});

/** A W3C trace id, or a whole traceparent: its trace id. */
const trace = z
  .string()
  .toLowerCase()
  .transform((text, context) => {
    if (/^(?!0{32})[0-9a-f]{32}$/.test(text)) return text;
    if (isTraceparent(text)) return text.slice(3, 35);
    context.addIssue("is neither a trace id of 32 hex digits nor a traceparent.");
    return z.NEVER;
  });

const server = z.string().min(1).max(256);

const recordsQuery = (nowMs: number) =>
  z.strictObject({
    ...page(1_000),
    server: server.optional(),
    tool: z.string().min(1).max(256).optional(),
    principal: z.string().min(1).max(512).optional(),
    outcome: z.enum([...outcomeClasses, ...outcomeReasons]).optional(),
    trace: trace.optional(),
    kind: z.enum(recordKinds).default("call"),
    since: time(nowMs).optional(),
    until: time(nowMs).optional(),
  });

/** Its entries are whole events. */
const quarantineQuery = z.strictObject(page(100));

const inventoryQuery = z.strictObject({ ...page(1_000), server: server.optional() });

const emittersQuery = z.strictObject({
  ...page(1_000),
  server: server.optional(),
  state: z.enum(emitterStates).optional(),
});

const slosQuery = z.strictObject({ ...page(1_000), server: server.optional(), firing: z.literal("true").optional() });

/** Of minutes. What is kept of them: 33 days. */
const seriesQuery = (nowMs: number) => z.strictObject({ since: time(nowMs).optional(), until: time(nowMs).optional() });

const document = z.record(z.string(), z.unknown());
const applied = z.strictObject({ documents: z.array(document).min(1).max(500) });
const asked = (nowMs: number) =>
  z.strictObject({ document, since: time(nowMs).optional(), until: time(nowMs).optional() });

const pattern = z.string().min(1).max(256).optional();
const maintenance = z.strictObject({
  /** Milliseconds. */
  from: z.int().min(0).optional(),
  minutes: z
    .int()
    .min(1)
    .max(30 * 1_440),
  environment: pattern,
  server: pattern,
  tool: pattern,
  reason: z.string().min(1).max(512),
});

export const parseSlosQuery = (query: unknown) => parse(slosQuery, query);
export const parseSeriesQuery = (query: unknown, nowMs: number) => parse(seriesQuery(nowMs), query);
export const parseApply = (body: unknown) => parse(applied, body);
export const parseAskedSeries = (body: unknown, nowMs: number) => parse(asked(nowMs), body);
export const parseMaintenance = (body: unknown) => parse(maintenance, body);

export const parseInventoryQuery = (query: unknown) => parse(inventoryQuery, query);
export const parseEmittersQuery = (query: unknown) => parse(emittersQuery, query);
export const parseRecordsQuery = (query: unknown, nowMs: number) => parse(recordsQuery(nowMs), query);
export const parseQuarantineQuery = (query: unknown) => parse(quarantineQuery, query);

/** @throws AppError `invalid` that names the parameter. */
export function parse<T>(schema: z.ZodType<T>, query: unknown): T {
  const parsed = schema.safeParse(query);
  if (parsed.success) return parsed.data;
  const said = parsed.error.issues.map(({ path, message }) =>
    path.length > 0 ? `${path.join(".")}: ${message}` : message,
  );
  throw new AppError("invalid", said.join("; "));
}
