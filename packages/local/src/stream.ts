import type { DatabaseSync } from "node:sqlite";
import type { StoredBatch } from "@tooltrail/core/ports";
import type { AttributeValue, Context, DynamoDBBatchResponse, DynamoDBStreamEvent } from "aws-lambda";
import { contextOf } from "./poller.ts";
import { guarded } from "./sqlite.ts";
import { batchOf, type Row } from "./sqlite-ledger.ts";

export type StreamFunction = (event: DynamoDBStreamEvent, context: Context) => Promise<DynamoDBBatchResponse>;

interface Image {
  readonly [name: string]: { readonly S?: string; readonly N?: string; readonly B?: string };
}

/** A batch as DynamoDB's stream shows it: its key, and the whole item. */
export type ImageOf = (batch: StoredBatch) => { readonly keys: Image; readonly item: Image };

/**
 * The ledger's stream and Lambda's event source mapping for it: every row once it is there, in the order of arrival, from the first on.
 *
 * How far a function has come is kept beside the ledger and moves only past what it has not named as failed, so each row is delivered at
 * least once whenever the process ends. What fails comes again, and all behind it, for ever.
 */
export interface Stream {
  /** There may be something new. */
  wake(): void;
  /** Works until nothing is left, or until something fails; gives up at the deadline, also on a call that runs. What is left is delivered after the next start. */
  drain(deadlineMs: number): Promise<void>;
}

export interface StreamOptions {
  readonly db: DatabaseSync;
  readonly name: string;
  readonly imageOf: ImageOf;
  readonly run: StreamFunction;
  readonly onError: (error: unknown) => void;
  readonly now: () => number;
  /** Rows that arrive within it go together, as with a mapping's batching window. The first after a pause does not wait. */
  readonly windowMs: number;
}

const maxRows = 1_000;
/** Lambda's payload limit, less the envelope. */
const maxBytes = 5_000_000;
const firstRestMs = 1_000;
const maxRestMs = 60_000;

export function createStream({ db, name, imageOf, run, onError, now, windowMs }: StreamOptions): Stream {
  db.exec(
    "CREATE TABLE IF NOT EXISTS streams (name TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT, WITHOUT ROWID",
  );
  // Rows are never deleted, so a rowid is the number of arrival.
  const after = db.prepare("SELECT rowid, * FROM ledger WHERE rowid > ? ORDER BY rowid LIMIT ?");
  const position = db.prepare("SELECT position FROM streams WHERE name = ?");
  const move = db.prepare(
    "INSERT INTO streams (name, position) VALUES (?, ?) ON CONFLICT DO UPDATE SET position = excluded.position",
  );

  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> | undefined;
  let stopped = false;
  let woken = false;
  let startedAtMs = Number.NEGATIVE_INFINITY;
  let failures = 0;
  let stopAtMs = Number.POSITIVE_INFINITY;

  function wake(): void {
    woken = true;
    if (stopped || running || timer) return;
    timer = setTimeout(start, Math.max(0, startedAtMs + windowMs - now()));
  }

  function start(): void {
    timer = undefined;
    woken = false;
    startedAtMs = now();
    running = work().then((done) => {
      running = undefined;
      failures = done ? 0 : failures + 1;
      if (stopped) return;
      if (!done) timer = setTimeout(start, Math.min(firstRestMs * 2 ** (failures - 1), maxRestMs));
      else if (woken) wake();
    });
  }

  /** @returns whether all that was there is done. */
  async function work(): Promise<boolean> {
    try {
      for (;;) {
        const rows = next();
        if (rows.length === 0) return true;
        if (now() >= stopAtMs || !(await deliver(rows))) return false;
      }
    } catch (error) {
      onError(error);
      return false;
    }
  }

  function next(): NumberedRow[] {
    const from = (guarded(() => position.get(name)) as { position: number } | undefined)?.position ?? 0;
    return guarded(() => {
      const rows: NumberedRow[] = [];
      let bytes = 0;
      // Read one by one: a thousand of the largest would be 60 MB, of which a call takes 5.
      for (const row of after.iterate(from, maxRows) as Iterable<unknown> as Iterable<NumberedRow>) {
        bytes += row.body.length;
        if (rows.length > 0 && bytes > maxBytes) break;
        rows.push(row);
      }
      return rows;
    });
  }

  /** @returns whether the function has done with all of them. */
  async function deliver(rows: readonly NumberedRow[]): Promise<boolean> {
    const { batchItemFailures } = await run(eventOf(rows, imageOf), contextOf(name));
    // As Lambda does: a name that is not of this event, too, means that all of it failed.
    const failed = batchItemFailures.map(({ itemIdentifier }) =>
      rows.findIndex(({ rowid }) => String(rowid) === itemIdentifier),
    );
    const done = failed.length === 0 ? rows.length : Math.max(0, Math.min(...failed));
    const last = rows[done - 1];
    if (last !== undefined) guarded(() => move.run(name, last.rowid));
    return failed.length === 0;
  }

  return {
    wake,
    async drain(deadlineMs) {
      stopped = true;
      clearTimeout(timer);
      stopAtMs = now() + deadlineMs;
      const over = new Promise<void>((resolve) => setTimeout(resolve, deadlineMs).unref());
      const rest = async (): Promise<void> => {
        await running;
        await work();
      };
      await Promise.race([rest(), over]);
    },
  };
}

/** Their type names every kind of attribute that there is, each with exactly one. */
type Attributes = { [name: string]: AttributeValue };

type NumberedRow = Row & { readonly rowid: number };

const eventOf = (rows: readonly NumberedRow[], imageOf: ImageOf): DynamoDBStreamEvent => ({
  Records: rows.map((row) => {
    const { keys, item } = imageOf(batchOf(row));
    return {
      eventID: String(row.rowid),
      eventName: "INSERT",
      eventVersion: "1.1",
      eventSource: "aws:dynamodb",
      awsRegion: "local",
      eventSourceARN: "arn:aws:dynamodb:local:000000000000:table/ledger/stream/local",
      dynamodb: {
        ApproximateCreationDateTime: Math.floor(row.received_at / 1_000),
        Keys: keys as Attributes,
        NewImage: item as Attributes,
        SequenceNumber: String(row.rowid),
        SizeBytes: row.body.length,
        StreamViewType: "NEW_AND_OLD_IMAGES",
      },
    };
  }),
});
