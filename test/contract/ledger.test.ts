import type { ListedBatch } from "@tooltrail/core/ports";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { adapterSets, type OpenPorts } from "../support/adapters.ts";
import { aCall, anIdentity, aStoredBatch } from "../support/batches.ts";

describe.each(adapterSets)("ledger on %s", (_, open) => {
  let ports: OpenPorts;
  beforeEach(async () => {
    ports = await open();
  });
  afterEach(() => ports.close());

  test("a redelivered batch is stored once, and its first arrival counts", async () => {
    expect(await ports.ledger.append(await aStoredBatch({}, 1))).toBe("appended");
    expect(await ports.ledger.append(await aStoredBatch({}, 2))).toBe("duplicate");
    expect((await ports.ledger.read(anIdentity().emitter, 0))?.receivedAtMs).toBe(1);
  });

  test("another batch under a taken number is a conflict that names what is there, and changes nothing", async () => {
    const first = await aStoredBatch();
    const other = await aStoredBatch({ records: [aCall({ tool: "other" })] });
    await ports.ledger.append(first);
    expect(await ports.ledger.append(other)).toEqual({ conflict: first.identity });
    expect(await ports.ledger.read(first.headers.emitter, 0)).toEqual(first);
  });

  test("of many at once exactly one is appended", async () => {
    const rivals = await Promise.all([..."abcdefgh"].map((tool) => aStoredBatch({ records: [aCall({ tool })] })));
    const answers = await Promise.all(rivals.map((batch) => ports.ledger.append(batch)));
    expect(answers.filter((answer) => answer === "appended")).toHaveLength(1);
    expect(answers.filter((answer) => typeof answer === "object")).toHaveLength(rivals.length - 1);
  });

  test("what was appended is read back whole by another process", async () => {
    const batch = await aStoredBatch();
    const { sig: _, ...unsigned } = await aStoredBatch({ seq: 1 });
    await ports.ledger.append(batch);
    await ports.ledger.append(unsigned);
    ports = ports.reopen();
    expect(await ports.ledger.read(batch.headers.emitter, 0)).toEqual(batch);
    expect(await ports.ledger.read(batch.headers.emitter, 1)).toEqual(unsigned);
    expect(await ports.ledger.read(batch.headers.emitter, 2)).toBeUndefined();
  });

  test("batches come newest first by last time, emitter and number, of all servers or of one, from any position on", async () => {
    const batches = await Promise.all([
      aStoredBatch({ seq: 0, records: [aCall({ at: 100 })] }),
      aStoredBatch({ seq: 1, records: [aCall({ at: 50 }), aCall({ at: 300 })] }),
      aStoredBatch({ seq: 2, records: [aCall({ at: 200 })], server: "other" }),
      aStoredBatch({ seq: 0, records: [aCall({ at: 200 })], identity: anIdentity(2) }),
    ]);
    for (const batch of batches) await ports.ledger.append(batch);
    const byTime = [...batches].sort(
      (a, b) =>
        b.headers.lastAt - a.headers.lastAt ||
        (a.headers.emitter < b.headers.emitter ? 1 : -1) ||
        b.headers.seq - a.headers.seq,
    );
    expect(await ports.ledger.newestFirst({ limit: 10 })).toEqual(byTime);
    expect(await ports.ledger.newestFirst({ limit: 2 })).toEqual(byTime.slice(0, 2));
    for (const [i, { headers }] of byTime.entries()) {
      const from = { lastAt: headers.lastAt, emitter: headers.emitter, seq: headers.seq };
      expect(await ports.ledger.newestFirst({ from, limit: 10 })).toEqual(byTime.slice(i));
    }
    expect(await ports.ledger.newestFirst({ server: "other", limit: 10 })).toEqual([batches[2]]);
    expect(await ports.ledger.newestFirst({ server: "none", limit: 10 })).toEqual([]);
  });

  describe("where batches stand", () => {
    const day = 86_400_000;
    const at = (days: number, ms = 0): number => 1_800_000_000_000 + days * day + ms;
    /** All pages, each of which keeps to its limit. */
    const listed = async (sinceMs: number, limit: number): Promise<ListedBatch[]> => {
      const all: ListedBatch[] = [];
      let cursor: string | undefined;
      do {
        const page = await ports.ledger.positions({ sinceMs, limit, ...(cursor && { cursor }) });
        expect(page.positions.length).toBeLessThanOrEqual(limit);
        all.push(...page.positions);
        cursor = page.next;
      } while (cursor !== undefined);
      return all.sort((a, b) => a.seq - b.seq);
    };

    test("is told of each batch once, from a time on, however long the pages are", async () => {
      expect(await ports.ledger.positions({ sinceMs: 0, limit: 5 })).toEqual({ positions: [] });
      const servers = ["a", "a#2027-01-15", "a#", "\u{e4}/\u{f6} \u{1f600}\n", "x".repeat(256)];
      const times = Array.from({ length: 40 }, (_, seq) => at(-(seq % 4), seq % 7));
      const expected = [];
      for (const [seq, lastAt] of times.entries()) {
        const server = servers[seq % 5] ?? "";
        const batch = await aStoredBatch({ seq, server, records: [aCall({ at: lastAt })] });
        await ports.ledger.append(batch);
        expected.push({ lastAt, emitter: batch.headers.emitter, seq, server });
      }
      for (const limit of [1, 2, 3, 7, 40, 1_000]) expect(await listed(0, limit)).toEqual(expected);
      for (const sinceMs of [at(-3), at(-2, 3), at(-1), at(0, 6), at(0, 7), Number.MAX_SAFE_INTEGER])
        expect(await listed(sinceMs, 3)).toEqual(expected.filter(({ lastAt }) => lastAt >= sinceMs));
    });

    test.each(["", "0", "x", "1.2", "a.b.c", "{}", "W10", "AAAA", "\ud800", "x".repeat(4_096), "MjAyNw", "Cg"])(
      "is not told from %j on, which is no cursor",
      async (cursor) => {
        await ports.ledger.append(await aStoredBatch());
        const told = ports.ledger.positions({ sinceMs: 0, cursor, limit: 5 });
        await expect(told).rejects.toMatchObject({ code: "invalid", message: expect.stringMatching(/^cursor/) });
      },
    );
  });
});
