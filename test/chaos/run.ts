import { readFileSync } from "node:fs";
import { type Audit, auditLedger } from "./audit.ts";
import { type Book, openBook } from "./book.ts";
import { startClients } from "./clients.ts";
import { auditCounters } from "./counters.ts";
import { drainSpool } from "./drain.ts";
import { auditLog, watchCheckpoints } from "./log.ts";
import { pageThrough } from "./pages.ts";
import { keepPipeline } from "./pipeline.ts";
import { type ChaosPlace, makeChaosPlace } from "./place.ts";
import { collectProblems, type Problems } from "./problems.ts";
import { endAll, isOurs, killGrandchild, sleep, within } from "./processes.ts";
import { startProducer } from "./producer.ts";
import { type Random, seeded } from "./random.ts";
import { type Kills, playRound } from "./round.ts";

export interface ChaosOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Keep the folder although all is well. */
  readonly keep: boolean;
  readonly say: (line: string) => void;
}

export interface Summary {
  readonly seed: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly kills: Kills;
  readonly starts: { readonly proxies: number; readonly pipelines: number };
  readonly calls: { readonly sent: number; readonly answered: number; readonly answeredUnknown: number };
  readonly events: { readonly sent: number; readonly acknowledged: number };
  readonly found: {
    readonly emitters: number;
    readonly batches: number;
    readonly records: number;
    readonly paged: number;
    readonly leaves: number;
    readonly checkpoints: number;
    readonly counted: number;
  };
  readonly unknown: number;
  readonly lost: number;
  readonly doubled: number;
  readonly problems: ReturnType<Problems["list"]>;
  /** Where the remains are, unless they were removed. */
  readonly kept?: string;
}

const clientCount = 4;

/** Plays the rounds, lets everything drain, and audits. Removes what it made unless something is wrong. */
export async function runChaos(options: ChaosOptions): Promise<Summary> {
  const place = await makeChaosPlace();
  try {
    const summary = await runIn(place, options);
    if (summary.problems.length === 0 && !options.keep) {
      place.remove();
      return summary;
    }
    return { ...summary, kept: place.dir };
  } catch (error) {
    options.say(`what is left is in ${place.dir}`);
    throw error;
  } finally {
    endAll();
  }
}

async function runIn(place: ChaosPlace, { rounds, seed, say }: ChaosOptions): Promise<Summary> {
  const began = performance.now();
  const random = seeded(seed);
  const book = openBook();
  const problems = collectProblems();
  const kills: Kills = { proxy: 0, pipeline: 0, both: 0, server: 0, graceful: 0, outage: 0 };
  const pipeline = keepPipeline(place, book);
  await pipeline.ready();
  const clients = startClients(clientCount, place, book, random.fork());
  const producer = startProducer(place, book, random.fork());

  const checkpoints = watchCheckpoints(place);
  const round = async (): Promise<void> => {
    await playRound({ clients, pipeline, producer, random }, kills);
    checkpoints.look();
  };
  await play(rounds, round, book, say);

  await clients.stop();
  await producer.stop();
  await expectNoServers(place, book);
  await pipeline.ready();
  for (const path of await drainSpool(place, book)) problems.add("the spool is not empty", path);
  // Stopping works off the queue; what the next one answers is then all there is.
  await endPipeline(pipeline, book);

  const paged = await readByPages(place, book, random, problems);
  const audit = auditLedger(place, book, problems);
  const leaves = await auditLog(
    place,
    [...audit.ids.values()].flatMap((ids) => [...ids]),
    checkpoints,
    problems,
  );
  const counted = await auditCounters(place, leaves, problems);
  for (const [kind, ids] of paged) compare(ids, audit.ids.get(kind) ?? new Set(), problems);
  for (const [what, times] of book.troubles) problems.add(what, `${times} times`);

  const seconds = Math.round((performance.now() - began) / 100) / 10;
  const starts = { proxies: clients.sessions(), pipelines: pipeline.starts() };
  const played = { seed, rounds, seconds, kills, starts };
  return summaryOf(
    played,
    book,
    audit,
    { paged: [...paged.values()], leaves: leaves.length, checkpoints: checkpoints.seen.size, counted },
    problems,
  );
}

/** @param say a line every few seconds. */
async function play(
  rounds: number,
  round: () => Promise<void>,
  book: Book,
  say: (line: string) => void,
): Promise<void> {
  const began = performance.now();
  let said = began;
  for (let played = 1; played <= rounds; played += 1) {
    const playing = round();
    if (await within(60_000, playing)) await playing;
    else book.trouble("a round did not end within 60 s");
    if (performance.now() - said < 10_000 && played !== rounds) continue;
    said = performance.now();
    const seconds = (said - began) / 1_000;
    say(`${played} of ${rounds} rounds, ${(played / seconds).toFixed(1)} rounds/s`);
  }
}

async function endPipeline(pipeline: ReturnType<typeof keepPipeline>, book: Book): Promise<void> {
  const code = await pipeline.stop();
  if (code !== 0) book.trouble(`the pipeline ended with ${code} on SIGTERM`);
}

/** A server ends with its input, hence with its proxy, however that one ended. */
async function expectNoServers({ seen }: ChaosPlace, book: Book): Promise<void> {
  const pids = new Set([...readFileSync(seen, "utf8").matchAll(/ (\d+)$/gm)].map(([, pid]) => Number(pid)));
  const left = (): number[] => [...pids].filter((pid) => isOurs(pid, seen));
  for (const until = Date.now() + 3_000; left().length > 0 && Date.now() < until; ) await sleep(50);
  for (const pid of left()) {
    book.trouble("a server outlived its proxy");
    killGrandchild(pid, seen);
  }
}

/** All records of some kinds as a new pipeline's queries give them, a small page at a time. */
async function readByPages(place: ChaosPlace, book: Book, random: Random, problems: Problems) {
  const reader = keepPipeline(place, book);
  await reader.ready();
  const paged = new Map<string, Set<string>>();
  for (const kind of ["call", "intent", "lifecycle"] as const)
    paged.set(kind, await pageThrough(place, kind, random.between(60, 200), problems));
  await endPipeline(reader, book);
  return paged;
}

function compare(paged: ReadonlySet<string>, stored: ReadonlySet<string>, problems: Problems): void {
  for (const id of stored) if (!paged.has(id)) problems.add("paging skipped a record", id);
  for (const id of paged) if (!stored.has(id)) problems.add("paging gave a record that is not stored", id);
}

function summaryOf(
  played: Pick<Summary, "seed" | "rounds" | "seconds" | "kills" | "starts">,
  book: Book,
  { batches, emitters, records, answeredUnknown, unknown, lost, doubled }: Audit,
  read: {
    readonly paged: readonly ReadonlySet<string>[];
    readonly leaves: number;
    readonly checkpoints: number;
    readonly counted: number;
  },
  problems: Problems,
): Summary {
  const calls = [...book.calls.values()];
  const events = [...book.events.values()];
  const paged = read.paged.reduce((sum, { size }) => sum + size, 0);
  return {
    ...played,
    calls: { sent: calls.length, answered: calls.filter(({ answered }) => answered).length, answeredUnknown },
    events: { sent: events.length, acknowledged: events.filter(({ acknowledged }) => acknowledged > 0).length },
    found: {
      emitters,
      batches,
      records,
      paged,
      leaves: read.leaves,
      checkpoints: read.checkpoints,
      counted: read.counted,
    },
    unknown,
    lost,
    doubled,
    problems: problems.list(),
  };
}
