import type { FollowPorts } from "@tooltrail/core/follow/follow";
import type { SweepPorts } from "@tooltrail/core/follow/sweep";
import type { SequencerPorts, SignerPorts } from "@tooltrail/core/log/ports";
import type { ProverPorts } from "@tooltrail/core/log/prove";
import type { RebuildPorts } from "@tooltrail/core/log/rebuild";
import type { Events, Ledger } from "@tooltrail/core/ports";
import type { BudgetPorts } from "@tooltrail/core/slo/watch-budgets";

/** What every function of the log has besides its own part: somebody to tell, and a clock. */
interface Surroundings {
  readonly events: Events;
  now(): number;
}

/*
 * The parts of the log's adapters, one for each function. `signer`, `reconciler`, `follower` and `evaluator` are asked for with each call, since keys come and go; nothing
 * of them is made twice.
 */
export type Sequencer = SequencerPorts & Surroundings;
export type Signer = SignerPorts & Surroundings;
export type Reconciler = RebuildPorts & {
  readonly ledger: Pick<Ledger, "positions" | "read">;
  /** How far back the clock's look goes, by the records' own times. */
  readonly lookBackMs: number;
} & Surroundings;
export type Follower = FollowPorts & SweepPorts & Surroundings;
export type Evaluator = BudgetPorts & Surroundings;
/** What the api reads besides the ledger; it writes nothing but a projection's wish to be made anew. */
export type Reader = ProverPorts & FollowPorts;
