import { postings as postingsProjection, readPostings } from "@tooltrail/core/follow/postings";
import type { Ledger, StoredBatch } from "@tooltrail/core/ports";
import { type QueryPorts, queryRecords, type RecordFilter, type RecordView } from "@tooltrail/core/query";
import { type DefinitionRecord, recordSchema } from "@tooltrail/format";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { adapterSets, type OpenPorts } from "../support/adapters.ts";
import { aCall, anIdentity, appendAll, aStoredBatch } from "../support/batches.ts";
import { aLog, followAll } from "../support/followed.ts";

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
  const stored = batches.map(({ emitter, server, calls }) => {
    const seq = next.get(emitter) ?? 0;
    next.set(emitter, seq + 1);
    const records = calls.map(({ offset, tool, ok }) =>
      aCall({
        at: base + offset,
        tool,
        outcome: ok ? { class: "ok" } : { class: "tool_error", reason: "unknown_tool" },
      }),
    );
    return aStoredBatch({ identity: anIdentity(emitter), seq, server, records });
  });
  await appendAll(ports.ledger, await Promise.all(stored));
}

async function pages(ports: QueryPorts, filter: RecordFilter, limit: number): Promise<RecordView[]> {
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

  /** `rare` lies under 1,500 newer batches of `x`, and the log has followed all of them. */
  async function aLongHistory() {
    const ports = await open();
    const trace = "ab".repeat(16);
    const rare = aCall({ at: base, tool: "rare", links: { traceparent: `00-${trace}-${"1".repeat(16)}-01` } });
    const batches = [
      await aStoredBatch({ identity: anIdentity(2), server: "b", records: [rare] }),
      await aStoredBatch({
        identity: anIdentity(2),
        seq: 1,
        server: "b",
        records: [aCall({ at: base + 1, tool: "rare", outcome: { class: "denied", reason: "forbidden" } })],
      }),
    ];
    for (let seq = 0; seq < 1_500; seq += 1)
      batches.push(await aStoredBatch({ seq, server: "a", records: [aCall({ at: base + 2 + seq, tool: "x" })] }));
    const log = aLog();
    await appendAll(ports.ledger, batches);
    await log.append(batches);
    return { ports, log, trace, batches };
  }

  /** Ports that count what the ledger is asked for, in batches. */
  function counting(ports: OpenPorts) {
    const asked = { scanned: 0, read: 0 };
    const ledger: Ledger = {
      ...ports.ledger,
      newestFirst(query) {
        asked.scanned += query.limit;
        return ports.ledger.newestFirst(query);
      },
      read(emitter, seq) {
        asked.read += 1;
        return ports.ledger.read(emitter, seq);
      },
    };
    return { asked, ports: { ...ports, ledger, postings: readPostings(ports.projections) } };
  }

  test("what is rare is found by postings: the same answers, and a fraction of the ledger is read", async () => {
    const { ports, log, trace } = await aLongHistory();
    await followAll({ ...log, projections: ports.projections }, [postingsProjection]);
    const searches: Omit<RecordFilter, "kind">[] = [
      { tool: "rare" },
      { trace },
      { trace, server: "b" },
      { trace, server: "a" },
      { outcome: "denied" },
      { outcome: "forbidden" },
      { tool: "rare", outcome: "denied" },
      { tool: "none" },
    ];
    for (const search of searches) {
      const filter = { kind: "call" as const, ...search };
      const scan = await pages(ports, filter, 1_000);
      const { asked, ports: counted } = counting(ports);
      expect(await pages(counted, filter, 10)).toEqual(scan);
      if (search.server !== undefined) continue; // one server's batches may be few anyway
      expect(asked.scanned, JSON.stringify(search)).toBeLessThan(300);
      expect(asked.read, JSON.stringify(search)).toBeLessThan(4);
      // The first page that is short leads to the end, and does not scan again.
      const { next } = await queryRecords(counted, filter, { limit: 1 });
      const { scanned } = asked;
      if (next !== null) await queryRecords(counted, filter, { limit: 1, cursor: next });
      if (search.tool === "rare" && search.outcome === undefined) expect(asked.scanned).toBe(scanned);
    }
    await ports.close();
  });

  test("postings that are far behind the ledger are no answer, nor are those that do not exist", async () => {
    const { ports, log, batches } = await aLongHistory();
    const filter = { kind: "call" as const, tool: "rare" };
    const { asked, ports: counted } = counting(ports);
    expect(await pages(counted, filter, 10)).toHaveLength(2);
    expect(asked.scanned).toBeGreaterThan(1_500);
    await followAll({ ...log, projections: ports.projections }, [postingsProjection]);
    // The log stands still from here on; what arrives is in the ledger alone, under many that are newer.
    const identity = anIdentity(3);
    const late = await aStoredBatch({ identity, records: [aCall({ at: base + 3, tool: "rare" })] }, 3_000_000);
    const newest = await aStoredBatch({ identity, seq: 1, records: [aCall({ at: base + 9_999 })] }, 3_000_000);
    for (const batch of [late, newest]) await ports.ledger.append(batch);
    expect(await pages(counted, filter, 10)).toHaveLength(3);
    await log.append([...batches.slice(0, 1), late, newest]);
    await followAll({ ...log, projections: ports.projections }, [postingsProjection]);
    expect(await pages(counted, filter, 10)).toHaveLength(3);
    await ports.close();
  });

  test("a page by postings says how far they are known, and one from the ledger has no need to", async () => {
    const { ports, log, batches } = await aLongHistory();
    const posted = { ...ports, postings: readPostings(ports.projections) };
    await followAll({ ...log, projections: ports.projections }, [postingsProjection]);
    const arrived = Math.max(...batches.map(({ receivedAtMs }) => receivedAtMs));
    // Records from long ago that have just arrived: in the ledger, and not in the log yet.
    const identity = anIdentity(3);
    const late = await aStoredBatch({ identity, records: [aCall({ at: base + 1, tool: "rare" })] }, arrived + 5_000);
    await ports.ledger.append(late);
    const rare = { kind: "call", tool: "rare" } as const;
    const ids = (page: { records: readonly RecordView[] }) => page.records.map(({ id }) => id);
    const before = await queryRecords(posted, rare, { limit: 1 });
    expect(before.asOf).toBe(arrived);
    const goesOn = await queryRecords(posted, rare, { limit: 10, cursor: before.next ?? "" });
    expect([goesOn.asOf, ids(before).length + ids(goesOn).length]).toEqual([arrived, 2]);

    await log.append([late]);
    await followAll({ ...log, projections: ports.projections }, [postingsProjection]);
    const after = await queryRecords(posted, rare, { limit: 10 });
    expect([after.asOf, ids(after).length]).toEqual([arrived + 5_000, 3]);

    expect(await queryRecords(posted, { kind: "call", tool: "x" }, { limit: 10 })).not.toHaveProperty("asOf");
    expect(await queryRecords(ports, rare, { limit: 10 })).not.toHaveProperty("asOf");
    await ports.close();
  });

  test("pages of any size by postings give what a scan gives", async () => {
    const ports = await open();
    const log = aLog();
    const batches: StoredBatch[] = [];
    for (let seq = 0; seq < 420; seq += 1) {
      const records = [0, 1, 2].map((i) =>
        aCall({
          at: base + seq * 3 + ((i * 13) % 40),
          tool: seq % 3 === 0 ? "often" : "x",
          outcome: i === 0 && seq % 5 === 0 ? { class: "tool_error", reason: "unknown_tool" } : { class: "ok" },
        }),
      );
      batches.push(await aStoredBatch({ seq, server: `server-${seq % 4}`, records }));
    }
    await appendAll(ports.ledger, batches);
    await log.append(batches);
    await followAll({ ...log, projections: ports.projections }, [postingsProjection]);
    const posted = { ...ports, postings: readPostings(ports.projections) };
    for (const filter of [{ tool: "often" }, { outcome: "unknown_tool" }, { tool: "often", outcome: "tool_error" }])
      for (const limit of [20, 1_000])
        expect(await pages(posted, { kind: "call", ...filter }, limit)).toEqual(
          await pages(ports, { kind: "call", ...filter }, 1_000),
        );
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
