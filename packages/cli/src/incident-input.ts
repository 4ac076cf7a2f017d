import { type ActionKind, type ActionParams, actionKinds } from "@tooltrail/core/response/response";
import { fixedMinutes } from "@tooltrail/core/slo/duration";

const minuteMs = 60_000;
const isoTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;

/** When it is to be over: a span from now on (`45m`, `2h`), or a time that names its zone. @returns milliseconds. @throws Error for all else. */
export function parseEta(text: string, nowMs: number = Date.now()): number {
  const minutes = fixedMinutes(text);
  if (minutes !== undefined) return nowMs + minutes * minuteMs;
  const at = isoTime.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  throw new Error(`"${text}" is neither a span like 45m or 2h nor a time like 2026-01-31T12:30Z`);
}

export function parseActionKind(text: string): ActionKind {
  const kind = actionKinds.find((one) => one === text.replaceAll("-", "_"));
  if (kind === undefined) throw new Error(`"${text}" is none of ${actionKinds.join(", ")}`);
  return kind;
}

/** `name=value`. @throws Error */
export function parsePair(text: string): readonly [name: string, value: string] {
  const at = text.indexOf("=");
  if (at < 1) throw new Error(`"${text}" is not name=value`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Numbers, true and false are what they look like, and in double quotes they are texts; so is all else. */
export const paramsOf = (pairs: readonly (readonly [string, string])[]): ActionParams =>
  Object.fromEntries(pairs.map(([name, value]) => [name, paramOf(value)]));

function paramOf(text: string): string | number | boolean {
  if (text === "true" || text === "false") return text === "true";
  const number = Number(text);
  if (Number.isFinite(number) && String(number) === text) return number;
  return /^".*"$/s.test(text) ? text.slice(1, -1) : text;
}

/** As `paramsOf` reads it. */
export const paramText = (value: string | number | boolean): string =>
  typeof value === "string" && paramOf(value) !== value ? `"${value}"` : String(value);
