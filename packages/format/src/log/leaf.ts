import type { ServerRef } from "../record.ts";
import { maxEntryBytes } from "./bundle.ts";
import { isCount, quoted, textOf, utf8 } from "./encoding.ts";
import { LogFormatError } from "./error.ts";

export const leafSchema = "tooltrail.leaf/1";

/** The batch that a leaf's record is of, as it lies in the ledger. */
export interface LeafBatch {
  readonly headers: {
    readonly emitter: string;
    readonly seq: number;
    readonly server: ServerRef;
    readonly count: number;
    /** The emitter's public key (base64url); absent for a plain event, which nobody signed. */
    readonly key?: string;
  };
  readonly identity: string;
  readonly receivedAtMs: number;
  readonly account: string;
}

/**
 * One record in the log. `batch` is the stored batch's identity, `count` how many records it has, `index` which of them this is. `line` is the record byte for byte as
 * its emitter wrote it, `record` the same parsed.
 */
export interface Leaf {
  readonly account: string;
  readonly batch: string;
  readonly count: number;
  readonly emitter: string;
  readonly index: number;
  readonly key?: string;
  readonly receivedAtMs: number;
  readonly record: { readonly schema: string; readonly [name: string]: unknown };
  readonly line: string;
  readonly seq: number;
  readonly server: ServerRef;
}

/**
 * A record as an entry of the log: canonical JSON around the line.
 *
 * @param line the record, canonical.
 * @throws LogFormatError where it is more than fits into a bundle.
 */
export function leafBytes({ batch, index, line }: { batch: LeafBatch; index: number; line: string }): Uint8Array {
  if (lastMade?.batch !== batch) lastMade = { batch, frame: frameOf(fieldsOf(batch)) };
  const { head, middle, end } = lastMade.frame;
  const bytes = utf8(head + index + middle + line + end);
  if (bytes.length > maxEntryBytes)
    throw new LogFormatError(`record: its leaf has ${bytes.length} bytes, where at most ${maxEntryBytes} fit.`);
  return bytes;
}

/** What the leaves of a batch have in common: leaves are made and read in order, so the last frame is nearly always the next one, and half the time is saved. */
type Fields = Omit<Leaf, "record" | "line" | "index">;
let lastMade: { readonly batch: LeafBatch; readonly frame: Frame } | undefined;
let lastRead: { readonly fields: Fields; readonly frame: Frame } | undefined;

const fieldsOf = ({ headers, identity, receivedAtMs, account }: LeafBatch): Fields => ({
  ...headers,
  account,
  batch: identity,
  receivedAtMs,
});

/** A leaf's text but for its index, which stands between `head` and `middle`, and its record, between `middle` and `end`. */
interface Frame {
  readonly head: string;
  readonly middle: string;
  readonly end: string;
}

/** Members in order of their names, as RFC 8785 has it. */
function frameOf({ account, batch, count, emitter, key, receivedAtMs, seq, server }: Fields): Frame {
  const { environment, id, version } = server;
  return {
    head: `${JSON.stringify({ account, batch, count, emitter }).slice(0, -1)},"index":`,
    middle: `${key === undefined ? "" : `,"key":${JSON.stringify(key)}`},"receivedAtMs":${receivedAtMs},"record":`,
    end: `${startOfEnd}${seq},"server":${JSON.stringify({ environment, id, version })}}`,
  };
}

const startOfEnd = `,"schema":"${leafSchema}","seq":`;

/**
 * Reads a leaf, and holds it to the one spelling that it has: what was written around the record would be written the same again. Whether the line is canonical, and a valid
 * record, is for who reads it to ask.
 *
 * @throws LogFormatError naming the field.
 */
export function parseLeaf(bytes: Uint8Array): Leaf {
  const text = textOf(bytes, "leaf");
  const known = lastRead && within(text, lastRead.frame);
  if (lastRead && known) return leafOf(lastRead.fields, known);
  const fields = readFields(text);
  const frame = frameOf(fields);
  const found = within(text, frame);
  if (found === undefined) throw new LogFormatError("leaf: not canonical: fields more, twice, or in another spelling.");
  lastRead = { fields, frame };
  return leafOf(fields, found);
}

/** What stands in the frame's two gaps; undefined where the text is not in this frame. */
function within(text: string, { head, middle, end }: Frame): { index: number; line: string } | undefined {
  if (!text.startsWith(head)) return undefined;
  const digits = indexPattern.exec(text.slice(head.length, head.length + 17))?.[0];
  if (digits === undefined) return undefined;
  const from = head.length + digits.length;
  const to = text.length - end.length;
  if (!text.startsWith(middle, from) || from + middle.length > to || !text.endsWith(end)) return undefined;
  return { index: Number(digits), line: text.slice(from + middle.length, to) };
}

const indexPattern = /^(?:0|[1-9]\d{0,15})/;

function leafOf(fields: Fields, { index, line }: { readonly index: number; readonly line: string }): Leaf {
  if (index >= fields.count) throw new LogFormatError(`index: ${index} is not below count, ${fields.count}.`);
  return { ...fields, index, record: recordOf(line), line };
}

function readFields(text: string): Fields {
  const before = beforePattern.exec(text)?.[0];
  if (before === undefined) throw new LogFormatError(`leaf: does not begin as one, but ${quoted(text)}.`);
  // The record may have such members itself. The last ones are the leaf's: nothing behind them has any but a server's.
  const end = text.lastIndexOf(startOfEnd);
  if (end < before.length) throw new LogFormatError("schema: missing, or not where it belongs.");
  const first = membersOf(`${before.slice(0, -`,"record":`.length)}}`, "leaf");
  const rest = membersOf(`{${text.slice(end + 1)}`, "leaf");
  return {
    account: string(first, "account"),
    batch: string(first, "batch"),
    count: count(first, "count"),
    emitter: string(first, "emitter"),
    ...(first.key === undefined ? {} : { key: string(first, "key") }),
    receivedAtMs: count(first, "receivedAtMs"),
    seq: count(rest, "seq"),
    server: serverOf(rest.server),
  };
}

/** Up to the record: members whose values are texts and numbers alone, so that the first `"record":` is the leaf's. */
const beforePattern = /^\{(?:"[a-zA-Z]+":(?:\d+|"(?:[^"\\]|\\.)*"),)+"record":/;

type Members = { readonly [name: string]: unknown };

function membersOf(text: string, what: string): Members {
  const value = parsed(text, what);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new LogFormatError(`${what}: not an object.`);
  return value as Members;
}

function recordOf(line: string): Leaf["record"] {
  const members = membersOf(line, "record");
  if (typeof members.schema !== "string") throw new LogFormatError("record.schema: not a text.");
  return members as Leaf["record"];
}

function parsed(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new LogFormatError(`${what}: not JSON.`);
  }
}

function string(members: Members, name: string): string {
  const value = members[name];
  if (typeof value !== "string") throw new LogFormatError(`${name}: not a text.`);
  return value;
}

function count(members: Members, name: string): number {
  const value = members[name];
  if (!isCount(value)) throw new LogFormatError(`${name}: not a number from 0 to 2^53-1.`);
  return value;
}

function serverOf(value: unknown): ServerRef {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new LogFormatError("server: not an object.");
  const members = value as Members;
  const { environment, version } = members;
  return {
    id: string(members, "id"),
    ...(version === undefined ? {} : { version: string(members, "version") }),
    ...(environment === undefined ? {} : { environment: string(members, "environment") }),
  };
}
