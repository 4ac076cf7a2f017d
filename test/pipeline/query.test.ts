import type { Ledger } from "@tooltrail/core/ports";
import { queryRecords, type RecordFilter, type RecordView } from "@tooltrail/core/query";
import { type DefinitionRecord, recordSchema } from "@tooltrail/format";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { adapterSets, type OpenPorts } from "../support/adapters.ts";
import { aCall, anIdentity, aStoredBatch } from "../support/batches.ts";

const base = 1_800_000_000_000;

/** A fleet's worth of batches with ties and overlaps in time. */
const fleet = fc.array(
  fc.record({
    emitter: fc.integer({ min: 1, max: 4 }),
    server: fc.constantFrom("a", "b"),
    calls: fc.array(fc.record({ offset: fc.nat({ max: 40 }), tool: fc.constantFrom("x", "y"), ok: fc.boolean() }), {
      minLength: 1,
      maxLength: 5,
    }),
  }),
  { maxLength: 40 },
);

const filters: fc.Arbitrary<Omit<RecordFilter, "kind">> = fc.record(
  {
    server: fc.constantFrom("a", "b"),
    tool: fc.constantFrom("x", "y"),
    outcome: fc.constantFrom("ok", "tool_error", "unknown_tool"),
    sinceMs: fc.integer({ min: base, max: base + 40 }),
    untilMs: fc.integer({ min: base, max: base + 40 }),
  },
  { requiredKeys: [] },
);

async function fill(
  ports: OpenPorts,
  batches: readonly {
    emitter: number;
    server: string;
    calls: readonly { offset: number; tool: string; ok: boolean }[];
  }[],
) {
  const next = new Map<number, number>();
  for (const { emitter, server, calls } of batches) {
    const seq = next.get(emitter) ?? 0;
    next.set(emitter, seq + 1);
    const records = calls.map(({ offset, tool, ok }) =>
      aCall({
        at: base + offset,
        tool,
        outcome: ok ? { class: "ok" } : { class: "tool_error", reason: "unknown_tool" },
      }),
    );
    await ports.ledger.append(await aStoredBatch({ identity: anIdentity(emitter), seq, server, records }));
  }
}

async function pages(ports: OpenPorts, filter: RecordFilter, limit: number): Promise<RecordView[]> {
  const all: RecordView[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await queryRecords(ports, filter, { limit, ...(cursor && { cursor }) });
    expect(page.records.length).toBeLessThanOrEqual(limit);
    all.push(...page.records);
    cursor = page.next;
  }
  return all;
}

const placeOf = ({ at, id }: RecordView): [number, string, number, number] => {
  const [, emitter = "", seq, index] = id.split("_");
  return [at, emitter, Number(seq), Number(index)];
};

const newestFirst = (a: RecordView, b: RecordView): number => {
  const [x, y] = [placeOf(a), placeOf(b)];
  for (const i of [0, 1, 2, 3] as const) if (x[i] !== y[i]) return x[i] < y[i] ? 1 : -1;
  return 0;
};

describe.each(adapterSets)("queries on %s", (_, open) => {
  test("pages of any size give what one scan and sort would, for any filter", async () => {
    await fc.assert(
      fc.asyncProperty(fleet, filters, fc.integer({ min: 1, max: 7 }), async (batches, wanted, limit) => {
        const ports = await open();
        try {
          await fill(ports, batches);
          const all = (await pages(ports, { kind: "call" }, 1_000)).sort(newestFirst);
          expect(all).toHaveLength(batches.reduce((sum, { calls }) => sum + calls.length, 0));
          const expected = all.filter(
            (view) =>
              view.kind === "call" &&
              (wanted.server === undefined || view.server.id === wanted.server) &&
              (wanted.tool === undefined || view.tool === wanted.tool) &&
              (wanted.outcome === undefined ||
                wanted.outcome === view.outcome.class ||
                wanted.outcome === view.outcome.reason) &&
              (wanted.sinceMs === undefined || view.at >= wanted.sinceMs) &&
              (wanted.untilMs === undefined || view.at < wanted.untilMs),
          );
          expect(await pages(ports, { kind: "call", ...wanted }, limit)).toEqual(expected);
        } finally {
          await ports.close();
        }
      }),
      { numRuns: 60 },
    );
  });

  test("records that arrive while somebody pages neither repeat nor hide any", async () => {
    const ports = await open();
    await fill(
      ports,
      Array.from({ length: 30 }, (_, i) => ({ emitter: 1, server: "a", calls: [{ offset: i, tool: "x", ok: true }] })),
    );
    const first = await queryRecords(ports, { kind: "call" }, { limit: 10 });
    await ports.ledger.append(await aStoredBatch({ identity: anIdentity(2), records: [aCall({ at: base + 1_000 })] })); // newer
    await ports.ledger.append(
      await aStoredBatch({ identity: anIdentity(3), records: [aCall({ at: base + 5, tool: "late" })] }),
    ); // older
    const rest = await queryRecords(ports, { kind: "call" }, { limit: 100, cursor: first.next ?? "" });
    const seen = [...first.records, ...rest.records].map(({ id }) => id);
    expect(new Set(seen).size).toBe(31);
    expect(rest.records.some((record) => "tool" in record && record.tool === "late")).toBe(true);
    await ports.close();
  });

  test("a page of large records fits what Lambda may answer, and leads on to all of them", async () => {
    const ports = await open();
    const text = JSON.stringify({ description: '"\\'.repeat(9_000) });
    for (let seq = 0; seq < 120; seq += 1) {
      const at = base + seq;
      const digest = "a".repeat(64);
      const record = {
        schema: recordSchema,
        kind: "definition",
        at,
        tool: `t${seq}`,
        digest,
        bytes: text.length,
        text,
      };
      await ports.ledger.append(await aStoredBatch({ seq, records: [record as DefinitionRecord] }));
    }
    const seen: RecordView[] = [];
    let largest = 0;
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = await queryRecords(ports, { kind: "definition" }, { limit: 1_000, ...(cursor && { cursor }) });
      largest = Math.max(largest, Buffer.byteLength(JSON.stringify({ body: JSON.stringify(page) })));
      seen.push(...page.records);
      cursor = page.next;
    }
    expect(largest).toBeGreaterThan(3_000_000); // else nothing was cut here
    expect(largest).toBeLessThan(6_000_000);
    expect(seen.map(({ id }) => id)).toEqual([...new Set(seen.map(({ id }) => id))]);
    expect(seen).toHaveLength(120);
    await ports.close();
  });

  test("a search for what is rare answers in bounded steps that lead on", async () => {
    const ports = await open();
    await fill(ports, [
      { emitter: 2, server: "a", calls: [{ offset: 0, tool: "rare", ok: true }] },
      ...Array.from({ length: 1_200 }, (_, i) => ({
        emitter: 1,
        server: "a",
        calls: [{ offset: i + 1, tool: "x", ok: true }],
      })),
    ]);
    const first = await queryRecords(ports, { kind: "call", tool: "rare" }, { limit: 10 });
    expect(first.records).toEqual([]);
    expect(first.next).not.toBeNull();
    expect(await pages(ports, { kind: "call", tool: "rare" }, 10)).toHaveLength(1);
    await ports.close();
  });

  test("a thousand emitters at the same moment are paged through to the end", async () => {
    const ports = await open();
    const same = Array.from({ length: 1_000 }, (_, i) => ({
      emitter: (i % 200) + 1,
      server: "a",
      calls: [{ offset: 7, tool: "x", ok: true }],
    }));
    await fill(ports, same);
    const all = await pages(ports, { kind: "call" }, 300);
    expect(new Set(all.map(({ id }) => id)).size).toBe(1_000);
    expect(all).toEqual([...all].sort(newestFirst));
    // Equal times are told apart by place, so a small page reads little.
    let asked = 0;
    const count: Ledger["newestFirst"] = (query) => {
      asked += query.limit;
      return ports.ledger.newestFirst(query);
    };
    const counting = { ...ports.ledger, newestFirst: count };
    await queryRecords({ ...ports, ledger: counting }, { kind: "call" }, { limit: 1 });
    expect(asked).toBeLessThan(100);
    await ports.close();
  });

  test.each(["", "x", "e30", Buffer.from('{"from":{"lastAt":"1"}}').toString("base64url")])(
    "the cursor %j is refused",
    async (cursor) => {
      const ports = await open();
      await expect(queryRecords(ports, { kind: "call" }, { limit: 1, cursor })).rejects.toMatchObject({
        code: "invalid",
      });
      await ports.close();
    },
  );
});
