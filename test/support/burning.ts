import { counters } from "@tooltrail/core/follow/counters";
import type { Projections } from "@tooltrail/core/follow/ports";
import type { LogLeaf } from "@tooltrail/core/follow/projection";
import type { Events } from "@tooltrail/core/ports";
import { type AlertPorts, evaluateSlos } from "@tooltrail/core/slo/alerts";
import { readSlos } from "@tooltrail/core/slo/slos";
import type { AuditRecord, OutcomeClass, PipelineEvent, ServerRef } from "@tooltrail/format";
import { aCall } from "./batches.ts";
import { memoryProjections } from "./followed.ts";

/** A minute far from any edge: noon of a day. */
export const noon = 20_833 * 1_440 + 720;
export const msOf = (minute: number): number => minute * 60_000;

/** Counters that are fed leaf by leaf, and somebody who listens. */
export function aWatched(projections: Projections = memoryProjections()) {
  const said: PipelineEvent[] = [];
  const events: Events = { publish: async (event) => void said.push(structuredClone(event)) };
  const ports: AlertPorts = { projections, events };
  let number = 0;

  async function count(server: ServerRef, records: readonly AuditRecord[]): Promise<void> {
    for (const record of records) {
      const leaf: LogLeaf = {
        number,
        emitter: "e",
        seq: 0,
        index: 1,
        count: 2,
        server,
        receivedAtMs: record.at,
        lastAt: record.at,
        record,
      };
      const from = await projections.cursor(counters.name);
      const keys = counters.rowsOf(leaf);
      const rows = await projections.read(counters.name, 1, keys);
      const values = counters.fold(
        rows.map((row) => row?.value),
        leaf,
      );
      number += 1;
      const to = { current: { number: 1, version: counters.version, leaf: number } };
      await projections.commit(counters.name, {
        from,
        to,
        generation: 1,
        rows: keys.map((key, i) => ({ ...key, value: values[i] })),
      });
    }
  }

  return {
    projections,
    ports,
    said,
    count,
    /** Calls in one minute, all of one outcome. */
    calls: (
      server: string,
      minute: number,
      number: number,
      outcome: OutcomeClass = "ok",
      more: Partial<ReturnType<typeof aCall>> = {},
    ) =>
      count(
        { id: server },
        Array.from({ length: number }, (_, i) => aCall({ at: msOf(minute) + i, outcome: { class: outcome }, ...more })),
      ),
    async evaluate(minute: number, behindSinceMs?: number) {
      return evaluateSlos(ports, await readSlos(projections, msOf(minute)), msOf(minute), behindSinceMs);
    },
    /** What was said since it was asked last. */
    heard: (): PipelineEvent[] => said.splice(0),
  };
}
