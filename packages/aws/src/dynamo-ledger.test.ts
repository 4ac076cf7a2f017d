import type { QueryCommandInput } from "@aws-sdk/client-dynamodb";
import type { BatchPosition } from "@tooltrail/core/ports";
import { expect, test } from "vitest";
import type { Dynamo } from "./dynamo.ts";
import { dynamoLedger } from "./dynamo-ledger.ts";
import type { Item } from "./item.ts";
import { dayOf, ledgerKey, serverDay, timeKey } from "./ledger-key.ts";

const servers = 2_000;
const newestMs = 1_800_000_000_000;
const days = [newestMs, newestMs - 86_400_000, newestMs - 2 * 86_400_000];
const batchesADay = 3;

/** Tables with so many servers on each of the days, of which nothing can be asked but pages of keys. `asked` counts them by partition. */
function counted() {
  const asked = new Map<string, number>();
  const partitions = new Map<string, readonly Item[]>();
  const list: string[] = [];
  for (const at of days)
    for (let n = 0; n < servers; n += 1) {
      const emitter = `emitter${String(n).padStart(19, "0")}`;
      list.push(`${dayOf(at)}#server ${n}`);
      const rows = Array.from({ length: batchesADay }, (_, seq): Item => {
        const key = ledgerKey(emitter, seq);
        return { pk: { S: key.pk }, sk: { S: key.sk }, gsk: { S: timeKey({ lastAt: at + seq, emitter, seq }) } };
      });
      partitions.set(serverDay(`server ${n}`, dayOf(at)), rows.reverse());
    }
  const rows = list
    .sort()
    .reverse()
    .map((sk): Item => ({ sk: { S: sk } }));
  async function* pages({ ExpressionAttributeValues: v, Limit = 0 }: QueryCommandInput): AsyncGenerator<Item[]> {
    const partition = v?.[":gpk"]?.S ?? v?.[":pk"]?.S ?? "";
    asked.set(partition, (asked.get(partition) ?? 0) + 1);
    if (partition === "DAYS")
      return yield rows
        .filter(({ sk }) => (sk?.S ?? "") >= (v?.[":oldest"]?.S ?? "") && (sk?.S ?? "") <= (v?.[":row"]?.S ?? ""))
        .slice(0, Limit);
    const from = v?.[":from"]?.S ?? "";
    yield (partitions.get(partition) ?? []).filter(({ gsk }) => (gsk?.S ?? "") <= from).slice(0, Limit);
  }
  const ledger = dynamoLedger({ pages } as unknown as Dynamo, { ledgerTable: "ledger", stateTable: "state" });
  return { ledger, asked };
}

test("positions over 6,000 servers' days are told, each day asked once, in as many requests as pages of days", async () => {
  const { ledger, asked } = counted();
  const seen = new Set<string>();
  let pages = 0;
  let cursor: string | undefined;
  do {
    const page = await ledger.positions({ sinceMs: 0, limit: 1_000, ...(cursor && { cursor }) });
    for (const { lastAt, emitter, seq } of page.positions) seen.add(`${lastAt} ${emitter} ${seq}`);
    cursor = page.next;
    pages += 1;
  } while (cursor !== undefined);
  expect(seen.size).toBe(servers * days.length * batchesADay);
  expect(pages).toBe(Math.ceil((servers * days.length) / 256));
  expect(asked.get("DAYS")).toBe(pages);
  asked.delete("DAYS");
  expect([asked.size, Math.max(...asked.values())]).toEqual([servers * days.length, 1]);
});

test("a look back asks no day before it, and goes on within a day where a page was full", async () => {
  const { ledger, asked } = counted();
  const seen: BatchPosition[] = [];
  let cursor: string | undefined;
  do {
    const page = await ledger.positions({ sinceMs: newestMs + 1, limit: 101, ...(cursor && { cursor }) });
    seen.push(...page.positions);
    cursor = page.next;
  } while (cursor !== undefined);
  expect(seen).toHaveLength(servers * (batchesADay - 1));
  expect(new Set(seen.map(({ emitter, seq }) => `${emitter} ${seq}`)).size).toBe(seen.length);
  expect(Math.min(...seen.map(({ lastAt }) => lastAt))).toBe(newestMs + 1);
  asked.delete("DAYS");
  expect([asked.size, Math.max(...asked.values())]).toEqual([servers, 2]);
});
