import { DatabaseSync } from "node:sqlite";
import { type AuditRecord, type BatchHeaders, bodyLines, headersHash, recordId } from "@tooltrail/format";

/** What the audit needs of a record, wherever it was read. */
export interface Found {
  readonly id: string;
  readonly at: number;
  readonly kind: AuditRecord["kind"];
  readonly callId?: string;
  readonly final?: boolean;
  readonly class?: string;
  readonly reason?: string;
  readonly args?: string;
  readonly requestId?: string;
  readonly event?: string;
  readonly lastSeq?: number;
}

/** A batch with its records, in the ledger's order. */
export interface FoundBatch {
  readonly emitter: string;
  readonly seq: number;
  readonly signed: boolean;
  readonly prev?: string;
  readonly hash: string;
  readonly count: number;
  readonly records: readonly Found[];
}

export interface Tables {
  readonly batches: Iterable<FoundBatch>;
  readonly quarantined: readonly { readonly reason: string; readonly detail: string }[];
  readonly queued: number;
}

/** Reads the tables of a pipeline that has stopped, and nothing of its code but the format. */
export function readTables<T>(file: string, look: (tables: Tables) => T): T {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    return look({
      batches: batchesOf(db),
      quarantined: db.prepare("SELECT reason, detail FROM quarantine").all() as unknown as Tables["quarantined"],
      queued: (db.prepare("SELECT count(*) AS n FROM queue").get() as { n: number }).n,
    });
  } finally {
    db.close();
  }
}

function* batchesOf(db: DatabaseSync): Iterable<FoundBatch> {
  const rows = db.prepare("SELECT emitter, seq, headers, sig, body FROM ledger ORDER BY emitter, seq").iterate();
  for (const row of rows as Iterable<unknown>) {
    const { emitter, seq, headers: text, sig, body } = row as Row;
    const headers = JSON.parse(text) as BatchHeaders;
    const records = (bodyLines(body) ?? []).map((line, index) =>
      foundOf(recordId({ emitter, seq, index }), JSON.parse(line)),
    );
    yield {
      emitter,
      seq,
      signed: sig !== null,
      ...(headers.prev && { prev: headers.prev }),
      hash: headersHash(headers),
      count: headers.count,
      records,
    };
  }
}

interface Row {
  readonly emitter: string;
  readonly seq: number;
  readonly headers: string;
  readonly sig: string | null;
  readonly body: string;
}

export function foundOf(id: string, record: AuditRecord): Found {
  const { kind, at } = record;
  switch (kind) {
    case "call":
    case "intent": {
      const { callId, args, links } = record;
      const named = { ...(args && { args: args.digest }), ...(links?.requestId && { requestId: links.requestId }) };
      if (kind === "intent") return { id, at, kind, callId, ...named };
      const { final, outcome } = record as Extract<AuditRecord, { kind: "call" }>;
      return {
        id,
        at,
        kind,
        callId,
        final,
        class: outcome.class,
        ...(outcome.reason && { reason: outcome.reason }),
        ...named,
      };
    }
    case "lifecycle":
      return { id, at, kind, event: record.event, ...(record.lastSeq !== undefined && { lastSeq: record.lastSeq }) };
    default:
      return { id, at, kind };
  }
}
