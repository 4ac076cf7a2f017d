import { AppError } from "../errors.ts";
import type { Projections } from "../follow/ports.ts";
import { given } from "../given.ts";
import type { Events, Principals } from "../ports.ts";
import type { Destination } from "../response/response.ts";
import { readResponse } from "../response/store.ts";
import { after, type Breaker, closed, type Fate, fateOf, mayTry } from "../telling/retry.ts";
import { tell } from "../telling/tell.ts";
import { runAction } from "../telling/tell-executor.ts";
import { cut } from "../telling/words.ts";
import { runCommand } from "./command.ts";
import type { Effect, Task } from "./effects.ts";
import type { Incident, IncidentEvent } from "./incident.ts";
import type { Attempt, Notice, Ways } from "./ports.ts";
import { saidOf } from "./said.ts";
import {
  collections,
  type Dead,
  effectId,
  listOutbox,
  listUndelivered,
  readEvent,
  readIncident,
  transact,
} from "./store.ts";

export interface OutboxPorts {
  readonly projections: Projections;
  readonly events: Events;
  readonly principals: Pick<Principals, "names">;
  readonly ways: Ways;
  /** Those that this installation has without anybody's defining them. */
  readonly destinations: readonly Destination[];
  /** From 0 to 1, without 1. */
  random(): number;
  now(): number;
  /** Drafts an incident's postmortem, unless it is there. */
  draft(incident: Incident): Promise<Attempt>;
  /** Puts an incident's postmortem where a destination has its tickets. */
  ticket(incident: Incident, destination: Destination): Promise<Attempt>;
}

/** What came of one look at what is to be done. `givenUp`: failed for good, or for a day; kept, and to be sent again by hand. */
export interface Delivered {
  readonly done: number;
  readonly failed: number;
  readonly givenUp: number;
  /** There is more that can be done at once. */
  readonly more: boolean;
}

/** What one destination that is down for a day leaves behind must not hide what others are to be told. */
const effectsPerLook = 10_000;
/** Destinations that are told at the same time, and for how long before it is looked again at what there is for the others. */
const lanesAtOnce = 8;
const laneMs = 5_000;

interface Waiting {
  readonly effect: Effect;
  readonly task: Task;
}

/**
 * Does what follows from events of incidents: each destination by itself, so that none waits for another; of one incident in order, so that nobody hears of an end before its beginning. What is
 * done is taken away at once; killed in between, it is done again, under the same id.
 *
 * @param hasTime asked before each; what is left is done by the next look.
 */
export async function deliver(ports: OutboxPorts, hasTime: () => boolean): Promise<Delivered> {
  const sums = { done: 0, failed: 0, givenUp: 0, more: false };
  const effects = await listOutbox(ports.projections, effectsPerLook);
  if (effects.length === 0) return sums;
  const { destinations } = await readResponse(ports.projections);
  const known = new Map([...ports.destinations, ...destinations].map((one) => [one.name, one]));
  const tasks = effects.flatMap((effect) => effect.tasks.map((task): Waiting => ({ effect, task })));
  const waiting = [...Map.groupBy(tasks, laneOf).values()];
  const thrown: unknown[] = [];
  const work = async (): Promise<void> => {
    for (let lane = waiting.shift(); lane !== undefined; lane = waiting.shift())
      try {
        const { done, failed, givenUp, more } = await runLane(ports, known, lane, hasTime);
        sums.done += done;
        sums.failed += failed;
        sums.givenUp += givenUp;
        sums.more ||= more;
      } catch (error) {
        thrown.push(error); // the other lanes go on, and are waited for
      }
  };
  await Promise.all(Array.from({ length: lanesAtOnce }, work));
  if (thrown.length > 0) throw thrown[0];
  return sums;
}

const laneOf = ({ task }: Waiting): string => ("destination" in task ? `to ${task.destination}` : task.kind);

async function runLane(
  ports: OutboxPorts,
  known: ReadonlyMap<string, Destination>,
  lane: readonly Waiting[],
  hasTime: () => boolean,
): Promise<Delivered> {
  const sums = { done: 0, failed: 0, givenUp: 0, more: false };
  const held = new Set<string>();
  const untilMs = ports.now() + laneMs;
  for (const { effect, task } of lane) {
    if (!hasTime() || ports.now() > untilMs) {
      sums.more = true;
      break;
    }
    const nowMs = ports.now();
    const isFirst = !held.has(effect.incident);
    held.add(effect.incident);
    if (!isFirst || task.dueAt > nowMs) continue;
    const destination = "destination" in task ? task.destination : undefined;
    if (destination !== undefined && !(await mayTryNow(ports, destination, nowMs))) break;
    const attempt = await run(ports, known, effect, task);
    const fate = fateOf(attempt, {
      attempts: task.attempts + 1,
      firstAt: task.since,
      now: ports.now(),
      random: ports.random(),
    });
    await remember(ports, { effect, task, attempt, fate });
    if (fate.kind !== "due") held.delete(effect.incident);
    if (fate.kind === "dead" && attempt.outcome === "failed") await sayDead(ports, effect, task, attempt.why);
    sums[({ over: "done", due: "failed", dead: "givenUp" } as const)[fate.kind]] += 1;
  }
  return sums;
}

/** Somebody was not told, and nothing else would say so; an executor that refuses has not done what it was asked. */
async function sayDead(
  { projections, events, now }: OutboxPorts,
  effect: Effect,
  task: Task,
  why: string,
): Promise<void> {
  const destination = "destination" in task ? task.destination : task.kind;
  const said = { type: "notice.undelivered", incident: effect.incident, destination, why: cut(why, 1_000) } as const;
  await events.publish(said).catch(() => undefined); // it is kept, whoever hears of it
  if (task.kind !== "run") return;
  const event = await readEvent(projections, effect.incident, effect.version);
  if (event?.type !== "action.started" && event?.type !== "action.undo.started") return;
  const detail = cut(why, 500);
  const command = { type: "finish", action: event.action, isDone: false, detail } as const;
  await runCommand(projections, { incident: effect.incident, command, nowMs: now() }).catch(refusedAlready);
}

/** Somebody has said already what came of it. */
function refusedAlready(error: unknown): void {
  if (!(error instanceof AppError) || error.code !== "conflict") throw error;
}

/** Whether a destination may be tried now. A probe is written down before it is made, so of two at once one makes it. */
const mayTryNow = ({ projections }: OutboxPorts, destination: string, nowMs: number): Promise<boolean> =>
  transact(projections, async ({ read, put }) => {
    const before = ((await read(collections.breakers, destination)) as Breaker | undefined) ?? closed;
    const trying = mayTry(before, nowMs);
    if (trying !== undefined && trying !== before) put(collections.breakers, destination, trying);
    return trying !== undefined;
  });

/** Never throws: whatever fails is tried again. */
async function run(
  ports: OutboxPorts,
  known: ReadonlyMap<string, Destination>,
  effect: Effect,
  task: Task,
): Promise<Attempt> {
  try {
    const incident = await readIncident(ports.projections, effect.incident);
    const event = await readEvent(ports.projections, effect.incident, effect.version);
    if (incident === undefined || event === undefined) return { outcome: "skipped" };
    return await runTask(ports, known, { effect, task, incident, event });
  } catch (error) {
    return { outcome: "failed", retryable: true, why: (error as Error).message };
  }
}

async function runTask(
  ports: OutboxPorts,
  known: ReadonlyMap<string, Destination>,
  { effect, task, incident, event }: { effect: Effect; task: Task; incident: Incident; event: IncidentEvent },
): Promise<Attempt> {
  if (task.kind === "publish") {
    await ports.events.publish(saidOf(effect, incident, event));
    return { outcome: "done" };
  }
  if (task.kind === "draft") return ports.draft(incident);
  const destination = known.get(task.destination);
  if (destination === undefined)
    return {
      outcome: "failed",
      retryable: true,
      why: `There is no destination ${task.destination}: define it, or change the policy.`,
    };
  const { episode, calls } = effect;
  const notice: Notice = { id: `${effect.id}/${task.n}`, incident, episode, calls, event };
  if (task.kind === "tell") {
    const who = event.by === undefined ? undefined : (await ports.principals.names([event.by])).get(event.by)?.subject;
    return tell(ports.ways, destination, { ...notice, ...given({ who }) });
  }
  if (task.kind === "ticket") return ports.ticket(incident, destination);
  return runAction(ports.ways, destination, notice);
}

interface Outcome extends Waiting {
  readonly attempt: Attempt;
  readonly fate: Fate;
}

async function remember(ports: OutboxPorts, { effect, task, attempt, fate }: Outcome): Promise<void> {
  const id = effectId(effect);
  await transact(ports.projections, async ({ read, put }) => {
    const there = (await read(collections.outbox, id)) as Effect | undefined;
    const others = (there?.tasks ?? []).filter(({ n }) => n !== task.n);
    const again = fate.kind === "due" ? [{ ...task, attempts: task.attempts + 1, dueAt: fate.at }] : [];
    const tasks = [...others, ...again].sort((a, b) => a.n - b.n);
    if (there !== undefined) put(collections.outbox, id, tasks.length === 0 ? undefined : { ...there, tasks });
    if (fate.kind === "dead" && attempt.outcome === "failed") {
      const dead: Dead = { effect: { ...effect, tasks: [task] }, why: attempt.why, at: ports.now() };
      put(collections.dead, `${id}/${task.n}`, dead);
    }
    if (!("destination" in task)) return;
    const before = (await read(collections.breakers, task.destination)) as Breaker | undefined;
    const now = after(before ?? closed, attempt, ports.now());
    const isClosed = now.failures === 0 && now.until === undefined;
    if (before !== undefined || !isClosed) put(collections.breakers, task.destination, isClosed ? undefined : now);
  });
}

const retriedAtOnce = 30;

/** Puts back what was given up, one by its id or all of it, to be tried as if for the first time. @returns how many there were. */
export async function retryUndelivered(
  projections: Projections,
  id: string | undefined,
  nowMs: number,
): Promise<number> {
  const wanted = (await listUndelivered(projections)).filter((one) => id === undefined || one.id === id);
  let retried = 0;
  for (let from = 0; from < wanted.length; from += retriedAtOnce)
    retried += await putBack(projections, wanted.slice(from, from + retriedAtOnce), nowMs);
  return retried;
}

const putBack = (
  projections: Projections,
  some: readonly (Dead & { readonly id: string })[],
  nowMs: number,
): Promise<number> =>
  transact(projections, async ({ read, put }) => {
    let retried = 0;
    for (const { id, effect } of some) {
      if ((await read(collections.dead, id)) === undefined) continue;
      const there = (await read(collections.outbox, effectId(effect))) as Effect | undefined;
      const again = effect.tasks.map((task) => ({ ...task, attempts: 0, since: nowMs, dueAt: nowMs }));
      for (const task of again) if ("destination" in task) put(collections.breakers, task.destination, undefined);
      const tasks = [...(there?.tasks ?? []), ...again].sort((a, b) => a.n - b.n);
      put(collections.outbox, effectId(effect), { ...effect, tasks });
      put(collections.dead, id, undefined);
      retried += 1;
    }
    return retried;
  });
