/** How much each part does. Counts only: no part runs until a clock says so. */
export interface Scale {
  readonly proxy: { readonly rounds: number; readonly calls: number };
  /** Records a cell, by records a batch. */
  readonly pipeline: { readonly rounds: number; readonly records: { readonly 1: number; readonly 50: number } };
  /** Batches of each size. */
  readonly cost: { readonly batches: number };
  readonly cold: { readonly rounds: number };
  /** Ledger sizes in records, ascending, and requests of each kind. */
  readonly query: { readonly sizes: readonly number[]; readonly requests: number };
  readonly memory: { readonly calls: number };
  /** Records in the log; checks of it; receipts asked for; events waited for, one after the other. */
  readonly log: { readonly records: number; readonly rounds: number; readonly proofs: number; readonly waits: number };
  /** Servers, with two SLOs each; looks at all of them; outages waited for, one after the other; calls whose counting is costed. */
  readonly budgets: {
    readonly servers: number;
    readonly rounds: number;
    readonly waits: number;
    readonly counted: number;
  };
}

export const scales = {
  full: {
    proxy: { rounds: 15, calls: 4_000 },
    pipeline: { rounds: 7, records: { 1: 2_000, 50: 20_000 } },
    cost: { batches: 250 },
    cold: { rounds: 20 },
    query: { sizes: [10_000, 100_000, 1_000_000], requests: 200 },
    memory: { calls: 1_000_000 },
    log: { records: 1_000_000, rounds: 3, proofs: 400, waits: 15 },
    budgets: { servers: 500, rounds: 5, waits: 15, counted: 500_000 },
  },
  quick: {
    proxy: { rounds: 5, calls: 2_000 },
    pipeline: { rounds: 3, records: { 1: 500, 50: 5_000 } },
    cost: { batches: 75 },
    cold: { rounds: 5 },
    query: { sizes: [10_000, 50_000], requests: 40 },
    memory: { calls: 20_000 },
    log: { records: 50_000, rounds: 3, proofs: 100, waits: 5 },
    budgets: { servers: 500, rounds: 3, waits: 5, counted: 100_000 },
  },
  /** For the test that every part still runs. Its figures mean nothing. */
  tiny: {
    proxy: { rounds: 1, calls: 100 },
    pipeline: { rounds: 1, records: { 1: 20, 50: 200 } },
    cost: { batches: 2 },
    cold: { rounds: 1 },
    query: { sizes: [500, 1_000], requests: 4 },
    memory: { calls: 1_000 },
    log: { records: 1_000, rounds: 1, proofs: 10, waits: 1 },
    budgets: { servers: 10, rounds: 1, waits: 1, counted: 1_000 },
  },
} as const satisfies { readonly [name: string]: Scale };
