import { AppError } from "@tooltrail/core/errors";
import { ingest, refuse } from "@tooltrail/core/ingest";
import type { Ports } from "@tooltrail/core/ports";
import { principalRefs, queryRecords, readRecord } from "@tooltrail/core/query";
import { quarantineId } from "@tooltrail/format";
import type { PublishedEvent } from "./adapters.ts";
import { aMessage, anEnvelope, aPlainMessage } from "./batches.ts";

/** One call of one port goes wrong: before it did anything, or after it was done. */
export interface Fault {
  readonly port: "ledger" | "principals" | "quarantine" | "events";
  readonly method: string;
  readonly kind: "failed" | "failed but persisted";
}

/** Each method of each port, in both ways. */
export const everyFault = (ports: Ports): Fault[] =>
  (["ledger", "principals", "quarantine", "events"] as const).flatMap((port) =>
    Object.keys(ports[port]).flatMap((method) =>
      (["failed", "failed but persisted"] as const).map((kind) => ({ port, method, kind })),
    ),
  );

/** Ports whose first call of the method goes wrong. `hits` counts how often the fault was met. */
export function faulty(ports: Ports, { port, method, kind }: Fault): Ports & { hits(): number } {
  let hits = 0;
  const real = ports[port] as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  const broken = {
    ...real,
    async [method](...args: unknown[]): Promise<unknown> {
      hits += 1;
      if (hits > 1) return real[method]?.(...args);
      if (kind === "failed but persisted") await real[method]?.(...args);
      const outcome = kind === "failed" ? "not-applied" : "unknown";
      throw new AppError("unavailable", `${port}.${method} ${kind}`, { outcome });
    },
  };
  return { ...ports, [port]: broken, hits: () => hits };
}

/** What the ports are asked to do, step by step. A step that throws is what a queue delivers again, or a person asks again. */
export type Step = (ports: Ports) => Promise<unknown>;

/**
 * Round `n` of everything that uses the ports: good, bad and forged messages come in, records and names are read, the quarantine is
 * listed, replayed and emptied.
 */
export async function workOf(n: number): Promise<Step[]> {
  const good = aMessage(await anEnvelope({ seq: n, server: `server-${n % 3}` }));
  const forged = aMessage(await anEnvelope({ seq: n, server: "forged" }));
  const unknown = aMessage({}, { detailType: `unknown ${n}` });
  const poison = aPlainMessage({
    server: "billing",
    tool: "refund",
    outcome: "ok",
    id: `poison ${n}`,
    principal: "grace",
  });
  return [
    (ports) => ingest(ports, good),
    (ports) => ingest(ports, unknown),
    (ports) => ingest(ports, forged),
    (ports) => refuse(ports, poison, { reason: "poison", detail: "" }),
    async (ports) => {
      const filter = { kind: "call" as const, principals: await principalRefs(ports, "os:ada@workstation") };
      const { records } = await queryRecords(ports, filter, { limit: 10 });
      for (const { id } of records.slice(0, 1)) await readRecord(ports, id);
      await ports.ledger.positions({ sinceMs: 0, limit: 1 });
    },
    async (ports) => {
      await ports.quarantine.list({ limit: 3 });
      await ports.quarantine.count({ sinceMs: 0, untilMs: Number.MAX_SAFE_INTEGER });
      const entry = await ports.quarantine.read(quarantineId(poison));
      if (entry === undefined) return;
      await ingest(ports, entry.body);
      await ports.quarantine.remove(entry.id);
    },
  ];
}

/** Takes the steps one after the other, each again until it goes well, at most three times. @returns what was thrown. */
export async function carryOut(
  steps: readonly Step[],
  ports: Ports,
  onThrown = (): void => undefined,
): Promise<unknown[]> {
  const thrown: unknown[] = [];
  for (const step of steps) {
    let failed = true;
    for (let attempt = 1; failed && attempt <= 3; attempt += 1) {
      failed = await step(ports).then(
        () => false,
        (error) => {
          thrown.push(error);
          onThrown();
          return true;
        },
      );
    }
  }
  return thrown;
}

/** What must be there after `rounds` of `workOf`, whatever went wrong: `expected(rounds)`. */
export async function audited(ports: Ports & { published(): Promise<PublishedEvent[]> }) {
  const { records } = await queryRecords(ports, { kind: "call" }, { limit: 1_000 });
  const of = (server: RegExp) => records.filter(({ server: { id } }) => server.test(id));
  const kept = await ports.quarantine.list({ limit: 1_000 });
  const said = (await ports.published()).map(({ detail }) => detail.seq as number);
  return {
    stored: sorted(of(/^server-/).map(({ id }) => Number(id.split("_")[2]))),
    replayed: of(/^billing$/).length,
    names: [...new Set(records.map(({ principal }) => principal?.subject))].sort(),
    quarantined: kept.map(({ reason }) => reason).sort(),
    conflictsSaid: sorted([...new Set(said)]),
  };
}

const sorted = (numbers: readonly number[]): number[] => [...numbers].sort((a, b) => a - b);

export const expected = (rounds: number): Awaited<ReturnType<typeof audited>> => ({
  stored: Array.from({ length: rounds }, (_, n) => n),
  replayed: rounds,
  names: ["grace", "os:ada@workstation"],
  quarantined: Array.from({ length: rounds * 2 }, (_, n) => (n < rounds ? "conflict" : "unknown_type")),
  conflictsSaid: Array.from({ length: rounds }, (_, n) => n),
});
