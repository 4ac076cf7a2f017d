import { counters } from "@tooltrail/core/follow/counters";
import { inventory } from "@tooltrail/core/follow/inventory";
import { sequence } from "@tooltrail/core/log/sequence";
import { sign } from "@tooltrail/core/log/sign";
import type { StoredBatch } from "@tooltrail/core/ports";
import type { EvidencePorts } from "@tooltrail/core/postmortem/evidence";
import { verifierKey } from "@tooltrail/format/log";
import type { OpenPorts } from "./adapters.ts";
import { msOf, noon } from "./burning.ts";
import { followAll } from "./followed.ts";
import { aSigningKey } from "./log-faults.ts";

const origin = "tooltrail.test/log";

/** A pipeline that stands still between two steps of a test: batches arrive, and come into the signed log and what follows it, when the test says so. */
export function aStillPipeline(store: OpenPorts) {
  const { head, promised, blobs, index, checkpoints, events, ledger, projections } = store;
  const key = aSigningKey();
  const log = { head, promised, blobs, index, checkpoints, events, origin, keys: [key], witnesses: [] };
  const keys = [verifierKey(origin, key.publicKey)];
  const ports: EvidencePorts = { ledger, projections, log: { index, blobs, checkpoints, keys } };
  return {
    ports,
    keys,
    async arrive(batches: readonly StoredBatch[]): Promise<void> {
      for (const batch of batches) await ledger.append(batch);
    },
    async follow(batches: readonly StoredBatch[]): Promise<void> {
      await sequence(log, batches);
      await sign(log, msOf(noon + 60));
      await followAll({ blobs, checkpoints, logKeys: keys, projections }, [counters, inventory]);
    },
  };
}
