import type { StoredBatch } from "@tooltrail/core/ports";
import { adapterSets } from "./adapters.ts";
import { aCall, anIdentity, aStoredBatch } from "./batches.ts";
import { aSigningKey, type LogPorts, memoryLog } from "./log-faults.ts";

export const origin = "tooltrail.test/log";
export const nowMs = 1_800_000_000_000;

export const aMemoryLog = () => memoryLog({ origin, keys: [aSigningKey()], witnesses: [] });

/** Every set of adapters that a log can stand on; memory keeps what the ports promise and nothing more. */
export const logStores: readonly (readonly [
  name: string,
  open: () => Promise<{ ports: LogPorts; close(): Promise<void> }>,
])[] = [
  ["memory", async () => ({ ports: aMemoryLog().ports, close: async () => undefined })],
  ...adapterSets.map(
    ([name, open]) =>
      [
        name,
        async () => {
          const ports = await open();
          const { head, promised, blobs, index, checkpoints, events } = ports;
          const keys = [aSigningKey()];
          return {
            ports: { head, promised, blobs, index, checkpoints, events, origin, keys, witnesses: [] },
            close: () => ports.close(),
          };
        },
      ] as const,
  ),
];

/** Of three emitters in turn, with so many records each; they arrive a second apart. */
export const batchesOf = (sizes: readonly number[], seed = 1): Promise<StoredBatch[]> =>
  Promise.all(
    sizes.map((records, i) =>
      aStoredBatch(
        {
          identity: anIdentity(seed + (i % 3)),
          seq: Math.floor(i / 3),
          records: Array.from({ length: records }, (_, n) => aCall({ tool: `tool-${n % 7}` })),
        },
        nowMs + i * 1_000,
      ),
    ),
  );
