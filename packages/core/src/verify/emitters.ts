import { firstPrev } from "@tooltrail/format";

/** A batch as far as its emitter's chain goes. `prev` is in the signed headers, which only the ledger has. */
export interface Link {
  readonly emitter: string;
  readonly seq: number;
  readonly key: string;
  readonly identity: string;
  readonly prev?: string;
}

/** Batches that follow one another without a gap, from the number `from` to `to`, both included. */
export interface Run {
  readonly from: number;
  readonly to: number;
  /** What the first of them calls its predecessor, which has not been seen. */
  readonly prev?: string;
  /** Identity of the last of them: its successor has not been seen. */
  readonly tip: string;
}

/** What is known of an emitter, as plain JSON: enough to go on from here another time. */
export interface EmitterState {
  readonly emitter: string;
  readonly key: string;
  /** The last number, as it said when it stopped. */
  readonly lastSeq?: number;
  /** Ascending. */
  readonly runs: readonly Run[];
}

interface Known {
  readonly key: string;
  lastSeq?: number;
  /** Each run under both its ends, so that a batch finds those that it touches however many there are. */
  readonly ends: Map<number, Run>;
}

export interface Gap {
  readonly emitter: string;
  readonly from: number;
  readonly to: number;
}

/**
 * The signed emitters' numbers and chains. Batches may come in any order: each costs the same, and memory goes by how many runs there are, which for an emitter without gaps is one.
 */
export class Emitters {
  readonly #known = new Map<string, Known>();

  /** @param states those of an earlier one, to go on from. */
  constructor(states: readonly EmitterState[] = []) {
    for (const { emitter, key, lastSeq, runs } of states) {
      const known: Known = { key, ...(lastSeq !== undefined && { lastSeq }), ends: new Map() };
      for (const run of runs) keep(known, run);
      this.#known.set(emitter, known);
    }
  }

  get size(): number {
    return this.#known.size;
  }

  /**
   * Each number of an emitter once: whether a batch stands there twice is for the caller to see.
   *
   * @returns what is wrong with the chain, if anything.
   */
  add({ emitter, seq, key, identity, prev }: Link): string | undefined {
    const known = this.#known.get(emitter) ?? { key, ends: new Map<number, Run>() };
    this.#known.set(emitter, known);
    if (known.key !== key) return `emitter ${emitter} has two keys, ${known.key} and ${key}.`;
    const [before, after] = [known.ends.get(seq - 1), known.ends.get(seq + 1)];
    const left = before?.to === seq - 1 ? before : undefined;
    const right = after?.from === seq + 1 ? after : undefined;
    // Only the ends that are none any more: a Map in which one number goes and comes again and again grows slow.
    if (left && left.from < left.to) known.ends.delete(left.to);
    if (right && right.from < right.to) known.ends.delete(right.from);
    const first = left ? left.prev : prev;
    keep(known, {
      from: left?.from ?? seq,
      to: right?.to ?? seq,
      ...(first !== undefined && { prev: first }),
      tip: right?.tip ?? identity,
    });
    if (right?.prev !== undefined && right.prev !== identity)
      return `batch ${seq + 1} of emitter ${emitter} follows ${right.prev}, and batch ${seq} is ${identity}.`;
    if (prev === undefined) return undefined;
    if (seq === 0) return prev === firstPrev ? undefined : `batch 0 of emitter ${emitter} follows ${prev}, a batch.`;
    return left === undefined || left.tip === prev
      ? undefined
      : `batch ${seq} of emitter ${emitter} follows ${prev}, and batch ${seq - 1} is ${left.tip}.`;
  }

  /** An emitter that stopped has said its last number: what is missing up to there has been sealed and never came. */
  stopped(emitter: string, lastSeq: number): void {
    const known = this.#known.get(emitter);
    if (known) known.lastSeq = Math.max(known.lastSeq ?? 0, lastSeq);
  }

  /** The numbers that are missing, each emitter's ascending. */
  *gaps(): Iterable<Gap> {
    for (const { emitter, lastSeq = -1, runs } of this.state()) {
      let next = 0;
      for (const { from, to } of runs) {
        if (from > next) yield { emitter, from: next, to: from - 1 };
        next = Math.max(next, to + 1);
      }
      if (lastSeq >= next) yield { emitter, from: next, to: lastSeq };
    }
  }

  state(): EmitterState[] {
    return [...this.#known].map(([emitter, { ends, ...rest }]) => ({
      emitter,
      ...rest,
      runs: [...new Set(ends.values())].sort((a, b) => a.from - b.from),
    }));
  }
}

function keep({ ends }: Known, run: Run): void {
  ends.set(run.from, run);
  ends.set(run.to, run);
}
