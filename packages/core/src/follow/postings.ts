import type { AuditRecord } from "@tooltrail/format";
import { AppError } from "../errors.ts";
import type { BatchPosition } from "../ports.ts";
import type { Projections, RowKey } from "./ports.ts";
import type { Projection, RowValue } from "./projection.ts";
import { keyPart } from "./row-id.ts";

/** What a query can look up: records of a tool, of a trace, or with a class (but ok) or a reason. */
export type Term = { readonly tool: string } | { readonly trace: string } | { readonly outcome: string };

const collectionOf = (term: Term): string => {
  if ("tool" in term) return `tool#${keyPart(term.tool)}`;
  return "trace" in term ? `trace#${keyPart(term.trace)}` : `outcome#${keyPart(term.outcome)}`;
};

/** When the latest of the batches arrived that postings know of. */
const arrival: RowKey = { collection: "arrival", id: "latest" };

/** The W3C trace id of a record: 32 hex digits. */
export const traceOf = (record: AuditRecord): string | undefined =>
  "links" in record ? record.links?.traceparent?.slice(3, 35) : undefined;

function termsOf(record: AuditRecord): Term[] {
  const trace = traceOf(record);
  const { class: layer, reason } = "outcome" in record ? record.outcome : { class: "ok" };
  return [
    ...("tool" in record ? [{ tool: record.tool }] : []),
    ...(trace === undefined ? [] : [{ trace }]),
    ...(layer === "ok" ? [] : [{ outcome: layer }]),
    ...(reason === undefined ? [] : [{ outcome: reason }]),
  ];
}

/**
 * Which batches hold a tool, a trace, a reason, or a class other than ok: one row per batch and word, whatever the number of records, in the ledger's order of time.
 */
export const postings: Projection = {
  name: "postings",
  version: 1,
  rowsOf(leaf) {
    const words = [...new Set(termsOf(leaf.record).map(collectionOf))];
    return [arrival, ...words.map((collection) => ({ collection, id: positionText(leaf) }))];
  },
  fold([latest, ...words], leaf) {
    const { emitter, seq, lastAt, receivedAtMs } = leaf;
    const known = latest as Arrival | undefined;
    const now = known && known.atMs >= receivedAtMs ? known : { atMs: receivedAtMs };
    return [now, ...words.map((row) => row ?? { lastAt, emitter, seq })];
  },
};

type Arrival = { readonly atMs: number };

/** Texts in the order of the ledger's positions. */
const positionText = ({ lastAt, emitter, seq }: BatchPosition): string =>
  `${String(Math.min(Math.max(lastAt, 0), maxTime)).padStart(16, "0")}#${emitter.slice(0, 27).toWellFormed()}#${String(Math.min(Math.max(seq, 0), maxSeq)).padStart(15, "0")}`;
const maxTime = 8_640_000_000_000_000;
const maxSeq = 999_999_999_999_999;

/**
 * Postings as queries read them. `latestArrival` is how far they have come: the latest arrival of a batch that they know of, in milliseconds; undefined where there are
 * none yet. The log is nearly in the order of arrival, and not quite: what it got late may have arrived before.
 * `newest` lists batches that hold the term by (`lastAt`, emitter, seq), descending, from `from` (included) on.
 */
export interface Postings {
  latestArrival(): Promise<number | undefined>;
  newest(term: Term, query: { readonly from?: BatchPosition; readonly limit: number }): Promise<BatchPosition[]>;
}

export function readPostings(projections: Pick<Projections, "cursor" | "read" | "list">): Postings {
  const generation = async (): Promise<number | undefined> => (await projections.cursor(postings.name))?.current.number;
  return {
    async latestArrival() {
      const current = await generation();
      if (current === undefined) return undefined;
      const [row] = await projections.read(postings.name, current, [arrival]);
      return (row?.value as Arrival | undefined)?.atMs;
    },
    async newest(term, { from, limit }) {
      for (;;) {
        const current = await generation();
        if (current === undefined) throw new AppError("unavailable", "There are no postings any more.");
        const rows = await projections.list(postings.name, current, {
          collection: collectionOf(term),
          newestFirst: true,
          limit,
          ...(from && { upTo: positionText(from) }),
        });
        // Rows of a generation that was replaced meanwhile may be gone: a short answer would pass for the end.
        if ((await generation()) === current) return rows.map(({ value }) => positionOf(value));
      }
    },
  };
}

const positionOf = ({ lastAt, emitter, seq }: RowValue): BatchPosition => ({
  lastAt: Number(lastAt),
  emitter: String(emitter),
  seq: Number(seq),
});
