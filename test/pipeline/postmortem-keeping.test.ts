import { runCommand } from "@tooltrail/core/incidents/command";
import type { Command, Incident } from "@tooltrail/core/incidents/incident";
import type { Ways } from "@tooltrail/core/incidents/ports";
import { listIncidents, readIncident } from "@tooltrail/core/incidents/store";
import { triage } from "@tooltrail/core/incidents/triage";
import { keepDraft, keepEdit, keepTicket, readPostmortem, readRevision } from "@tooltrail/core/postmortem/keep";
import { markerOf } from "@tooltrail/core/postmortem/postmortem";
import type { Destination } from "@tooltrail/core/response/response";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { adapterSets, type OpenPorts } from "../support/adapters.ts";
import { aCall } from "../support/batches.ts";
import { msOf, noon } from "../support/burning.ts";
import { aSignedBatch } from "../support/fleets.ts";
import { aStillPipeline } from "../support/still-pipeline.ts";

const folder: Destination = { kind: "Destination", name: "notes", type: "folder", path: "notes" };
const doer = { by: `p_${"a".repeat(26)}`, record: "rec_x" };

describe.each(adapterSets)("postmortems kept on %s", (_, open) => {
  let store: OpenPorts;
  let pipeline: ReturnType<typeof aStillPipeline>;
  let files: Map<string, string>;
  let ways: Ways;

  beforeEach(async () => {
    store = await open();
    pipeline = aStillPipeline(store);
    files = new Map();
    ways = {
      http: { send: async () => Promise.reject(new Error("nobody is asked")) },
      secrets: { read: async () => undefined },
      folders: {
        read: async (place, name) => files.get(`${place}/${name}`),
        write: async (place, name, text) => void files.set(`${place}/${name}`, text),
      },
      now: () => 0,
    };
  });
  afterEach(() => store.close());

  const run = (incident: string, command: Command, minute: number): Promise<Incident> =>
    runCommand(store.projections, { incident, command, doer: {}, nowMs: msOf(minute) });

  async function anOutage(minute: number, seq: number): Promise<string> {
    const calls = Array.from({ length: 5 }, (_, i) =>
      aCall({ at: msOf(minute) + i, tool: "read", outcome: { class: "timeout" } }),
    );
    const batch = await aSignedBatch({ seq, records: calls, receivedAtMs: msOf(minute) + 9 });
    await pipeline.arrive([batch]);
    await pipeline.follow([batch]);
    const cause = { environment: "", server: "files", tool: "", signal: "availability" } as const;
    const alert = { cause, state: "firing", severity: "page", source: "availability:files", rule: "page-1h" } as const;
    await triage(
      { projections: store.projections, tickets: [folder], changedAt: async () => undefined },
      [{ ...alert, startedAt: msOf(minute), at: msOf(minute), text: "It burns." }],
      msOf(minute + 1),
    );
    const [incident] = await listIncidents(store.projections, { limit: 1 });
    return incident?.id ?? "";
  }
  async function resolve(id: string, minute: number): Promise<Incident> {
    await run(id, { type: "acknowledge" }, minute);
    let { checks } = await run(id, { type: "mitigate" }, minute);
    for (let i = 0; i < 2; i += 1) {
      const { from } = checks;
      const window = { from, to: from + 300_000 };
      ({ checks } = await run(id, { type: "check", ...window, result: "pass", measured: [] }, minute + 5 * (i + 1)));
    }
    return run(id, { type: "resolve" }, minute + 10);
  }

  test("one is drafted for each resolution; people's words outlive a reopening; each revision is kept; a ticket is made once and follows", async () => {
    const id = await anOutage(noon, 0);
    const incident = await resolve(id, noon + 2);
    const draft = (minute: number, of: Incident) => keepDraft(pipeline.ports, of, msOf(minute));
    expect(await draft(noon + 13, incident)).toEqual({ outcome: "done" });
    expect(await draft(noon + 14, incident)).toEqual({ outcome: "done" });
    const first = await readPostmortem(store.projections, id);
    expect(first).toMatchObject({
      revision: 1,
      status: "draft",
      rootCause: "",
      impact: { calls: { total: 5, bad: 5 } },
    });
    expect(first?.evidence.every(({ receipt }) => receipt !== undefined)).toBe(true);

    const ticket = async (minute: number) => {
      const now = await readIncident(store.projections, id);
      return now && keepTicket({ projections: store.projections, ways, nowMs: msOf(minute) }, now, folder);
    };
    expect(await ticket(noon + 14)).toMatchObject({ outcome: "done" });
    expect([...files.keys()]).toEqual([`notes/${id}.md`]);
    expect(files.get(`notes/${id}.md`)?.trimEnd().endsWith(markerOf(id))).toBe(true);

    await expect(run(id, { type: "close" }, noon + 15)).rejects.toMatchObject({ code: "conflict" });
    const edit = (change: Parameters<typeof keepEdit>[2], minute: number, key?: string) =>
      keepEdit(store.projections, id, change, {
        doer,
        nowMs: msOf(minute),
        ...(key !== undefined && { once: { key, asked: JSON.stringify(change) } }),
      });
    const words = { summary: "The disk was full.", rootCause: "Nobody watched it." };
    expect(await edit(words, noon + 16, "k1")).toMatchObject({ revision: 2, status: "draft" });
    expect(await edit(words, noon + 17, "k1")).toMatchObject({ revision: 2 });
    await expect(edit({ lessons: "x" }, noon + 17, "k1")).rejects.toMatchObject({ code: "conflict" });
    await expect(edit({ lessons: "x", expectedRevision: 1 }, noon + 17)).rejects.toThrow(/revision 2/);
    await edit({ actionItems: [{ op: "add", title: "Watch the disk", type: "detect", owner: "Ada" }] }, noon + 18);
    expect(await readPostmortem(store.projections, id)).toMatchObject({ status: "complete" });
    expect(await readRevision(store.projections, id, 2)).toMatchObject({ revision: 2, status: "draft" });
    await ticket(noon + 19);
    expect(files.get(`notes/${id}.md`)).toContain("Nobody watched it");
    expect((await readIncident(store.projections, id))?.tickets).toMatchObject([{ destination: "notes" }]);

    const again = await resolve(await anOutage(noon + 20, 1), noon + 22);
    expect([again.id, again.episode]).toEqual([id, 2]);
    expect(await draft(noon + 33, again)).toEqual({ outcome: "done" });
    expect(await readPostmortem(store.projections, id)).toMatchObject({
      ...words,
      status: "complete",
      authors: [doer.by],
      impact: { calls: { total: 10, bad: 10 } },
    });
    expect(await run(id, { type: "close" }, noon + 34)).toMatchObject({ status: "closed" });
    await expect(edit({ lessons: "more" }, noon + 35)).rejects.toMatchObject({ code: "conflict" });
  });

  test("records that the log does not have yet are waited for, and not for ever", async () => {
    const id = await anOutage(noon, 0);
    const records = [aCall({ at: msOf(noon) + 9, tool: "write", outcome: { class: "timeout" } })];
    const late = await aSignedBatch({ seq: 1, records, receivedAtMs: msOf(noon) + 9 });
    await pipeline.arrive([late]);
    const incident = await resolve(id, noon + 2);
    expect(await keepDraft(pipeline.ports, incident, msOf(noon + 13))).toMatchObject({
      outcome: "failed",
      retryable: true,
    });
    expect(await readPostmortem(store.projections, id)).toBeUndefined();
    expect(await keepDraft(pipeline.ports, incident, msOf(noon + 30))).toEqual({ outcome: "done" });
    expect(await readPostmortem(store.projections, id)).toMatchObject({ revision: 1 });
  });
});
