import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { DatabaseSync } from "node:sqlite";
import { AppError } from "@tooltrail/core/errors";
import { alertingTypes } from "@tooltrail/core/incidents/alert";
import { tellsOfOwnAct } from "@tooltrail/core/own-acts";
import { ownActTypes, pipelineSource } from "@tooltrail/format";
import { createBus } from "./bus.ts";
import { createLogFiles } from "./log-files.ts";
import { createPoller, type QueueFunction } from "./poller.ts";
import type { Rules } from "./rules.ts";
import { createSchedule } from "./schedule.ts";
import { createHttpServer, type HttpFunction } from "./server.ts";
import { sqliteQueue } from "./sqlite-queue.ts";
import { createStream, type ImageOf, type StreamFunction } from "./stream.ts";
import { createTarget, type EventFunction } from "./target.ts";

export interface PipelineOptions {
  readonly db: DatabaseSync;
  readonly dataDir: string;
  readonly port: number;
  readonly token: string;
  /** How DynamoDB would show a row of the ledger. */
  readonly imageOf: ImageOf;
  /** What carries the pipeline's own events to its functions. */
  readonly rules: Rules;
  readonly functions: {
    readonly ingest: QueueFunction;
    readonly api: HttpFunction;
    readonly sequence: StreamFunction;
    readonly sign: EventFunction;
    readonly follow: EventFunction;
    readonly evaluate: EventFunction;
    readonly triage: QueueFunction;
    readonly respond: EventFunction;
    readonly incidents: HttpFunction;
    readonly reconcile: EventFunction;
  };
  /** Keeps what a function has failed on again and again. */
  readonly onPoison: (name: "ingest" | "triage", body: string, receives: number) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

export interface Pipeline {
  readonly port: number;
  /** Takes no more, works off what is in the queue up to the signed checkpoint and the projections, and closes the database. */
  stop(): Promise<void>;
}

const maxReceives = 100;
const drainMs = 10_000;
const sequenceWindowMs = 1_000;
const minuteMs = 60_000;
/** A timer is as exact as this. */
const respondEachMs = 5_000;
/** As the routes of API Gateway tell them apart. */
const aboutIncidents = /^\/v1\/(incidents|postmortems|response|runbooks)(\/|$)/;

/**
 * The pipeline on one machine: bus, queue, streams, schedules and functions in one process, on loopback.
 *
 * Whatever a killed process has left undone is done after the next start: the queue and the stream keep their places, and
 * signer and followers look for themselves how far they are.
 *
 * @throws AppError `conflict` where the port is taken.
 */
export async function startPipeline(options: PipelineOptions): Promise<Pipeline> {
  const { db, onError, functions, rules } = options;
  const now = Date.now;
  const queue = sqliteQueue(db);
  const stream = createStream({
    db,
    name: "sequence",
    imageOf: options.imageOf,
    run: functions.sequence,
    onError,
    now,
    windowMs: sequenceWindowMs,
  });
  const poller = createPoller({
    name: "ingest",
    queue,
    // The two functions that write the ledger wake whoever reads its stream.
    run: (event, context) => functions.ingest(event, context).finally(stream.wake),
    onPoison: (body, receives) => options.onPoison("ingest", body, receives),
    onError,
    now,
    maxReceives,
  });
  const sign = createTarget("sign", functions.sign, onError);
  const follow = createTarget("follow", functions.follow, onError);
  const evaluate = createTarget("evaluate", functions.evaluate, onError);
  const reconcile = createTarget("reconcile", functions.reconcile, onError);
  const respond = createTarget("respond", functions.respond, onError);
  const alertQueue = sqliteQueue(db, "alert_queue");
  const triage = createPoller({
    name: "triage",
    queue: alertQueue,
    run: functions.triage,
    onPoison: (body, receives) => options.onPoison("triage", body, receives),
    onError,
    now,
    maxReceives,
  });
  rules.on("log.sequenced", sign.deliver);
  rules.on("log.advanced", follow.deliver);
  rules.on("counters.advanced", evaluate.deliver);
  rules.on("incidents.advanced", respond.deliver);
  // Before whoever says it remembers that it was said: an alert is not lost between the two.
  for (const type of alertingTypes)
    rules.on(type, (event) => {
      alertQueue.send([{ messageId: event.id, body: JSON.stringify(event) }], now());
      triage.wake();
    });
  for (const type of [...ownActTypes, "incident.alerted"])
    rules.on(type, (event) => {
      if (!tellsOfOwnAct(event)) return;
      queue.send([{ messageId: event.id, body: JSON.stringify(event) }], now());
      poller.wake();
    });
  const bus = createBus({ queue, reservedSource: pipelineSource, now, onSent: poller.wake, onError });
  const server = createHttpServer({
    bus,
    api: (event, context) =>
      (aboutIncidents.test(event.rawPath) ? functions.incidents : functions.api)(event, context).finally(stream.wake),
    log: createLogFiles(options.dataDir),
    token: options.token,
    onError,
  });

  server.listen(options.port, "127.0.0.1");
  await once(server, "listening").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EADDRINUSE")
      throw new AppError("forbidden", `Port ${options.port} cannot be used: ${error.message}.`);
    throw new AppError(
      "conflict",
      `Port ${options.port} is taken. Another pipeline may be running on it; use --port, or --port 0 for any free one.`,
    );
  });
  poller.wake();
  triage.wake();
  stream.wake();
  const schedule = createSchedule(
    [
      { target: sign, everyMs: minuteMs, atOnce: true },
      { target: follow, everyMs: minuteMs, atOnce: true },
      { target: evaluate, everyMs: minuteMs },
      { target: reconcile, everyMs: 60 * minuteMs },
      { target: respond, everyMs: respondEachMs, atOnce: true },
    ],
    now,
  );

  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      const closed = once(server, "close");
      server.close();
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), 2_000);
      await closed;
      clearTimeout(cut);
      schedule.stop();
      const untilMs = now() + drainMs;
      // In the order in which data flows: each may leave something for the next. What respond does by itself lies in the queue until the next start.
      for (const station of [poller, reconcile, stream, sign, follow, evaluate, triage, respond])
        await station.drain(Math.max(0, untilMs - now()));
      db.close();
    },
  };
}
