import { counters } from "@tooltrail/core/follow/counters";
import type { RowKey } from "@tooltrail/core/follow/ports";
import type { LogLeaf, RowValue } from "@tooltrail/core/follow/projection";
import { aCall } from "../support/batches.ts";
import { randomFrom } from "../support/pieces.ts";
import { type Figure, figure } from "./figures.ts";
import { prices } from "./prices.ts";

const servers = 60;
const toolsOfServer = 10;
const windowMs = 5_000;
const million = 1_000_000;
/** What the key and the names of attributes take besides the value: as dynamo-projections writes a row. */
const rowOverheadBytes = 180;

/**
 * Dollars for what counting a million calls asks of DynamoDB, by the sizes of the rows that commits write and read: every call in a window of its own, and fifty in each. Calls fall on sixty servers with ten
 * tools evenly, which is the dearest way for them to fall; one in a hundred fails.
 */
export function countersCost(calls: number): Figure[] {
  return [1, 50].map((callsPerWindow) =>
    figure(
      `counting, ${callsPerWindow} ${callsPerWindow === 1 ? "call" : "calls"} a window`,
      costOf(calls, callsPerWindow),
      "$/M calls",
    ),
  );
}

function costOf(calls: number, callsPerWindow: number): number {
  const random = randomFrom(1);
  const rows = new Map<string, RowValue>();
  const { perWriteUnit, writeUnitBytes, transactionFactor, perReadUnit, readUnitBytes } = prices.dynamoDb;
  let [written, read] = [0, 0];
  const units = (value: RowValue | undefined, unitBytes: number): number =>
    value === undefined ? 1 : Math.ceil((rowOverheadBytes + Buffer.byteLength(JSON.stringify(value))) / unitBytes);
  for (let from = 0; from < calls; from += callsPerWindow) {
    // A month of windows, however many calls are played.
    const startMs = 1_800_000_000_000 + Math.floor((from / callsPerWindow) * windowMs);
    const touched = new Map<string, { readonly key: RowKey; readonly before: RowValue | undefined }>();
    for (let i = 0; i < callsPerWindow; i += 1) {
      const id = `server-${Math.floor(random() * servers)}`;
      const record = aCall({
        at: startMs + Math.floor(random() * windowMs),
        tool: `tool-${Math.floor(random() * toolsOfServer)}`,
        durationUs: Math.floor(10 ** (3 + random() * 3)),
        args: { digest: `hmac-sha256:${"0".repeat(64)}`, bytes: 2 },
        outcome: { class: random() < 0.01 ? "timeout" : "ok" },
      });
      const leaf: LogLeaf = {
        number: from + i,
        emitter: "e",
        seq: 0,
        index: 1,
        count: 2,
        server: { id, version: "1.0.0" },
        receivedAtMs: record.at,
        lastAt: record.at,
        record,
      };
      const keys = counters.rowsOf(leaf);
      const texts = keys.map(({ collection, id: row }) => `${collection}\n${row}`);
      const values = counters.fold(
        texts.map((text) => rows.get(text)),
        leaf,
      );
      for (const [j, text] of texts.entries()) {
        const key = keys[j] as RowKey;
        if (!touched.has(text)) touched.set(text, { key, before: rows.get(text) });
        const value = values[j];
        if (value === undefined) rows.delete(text);
        else rows.set(text, value);
      }
    }
    for (const [text, { before }] of touched) {
      read += units(before, readUnitBytes);
      if (rows.get(text) !== before) written += units(rows.get(text), writeUnitBytes) * transactionFactor;
    }
    written += transactionFactor; // the cursor
  }
  return ((written * perWriteUnit + read * perReadUnit) / calls) * million;
}
