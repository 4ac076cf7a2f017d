import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { DatabaseSync } from "node:sqlite";
import { AppError } from "@tooltrail/core/errors";
import { createBus } from "./bus.ts";
import { createPoller, type QueueFunction } from "./poller.ts";
import { createHttpServer, type HttpFunction } from "./server.ts";
import { sqliteQueue } from "./sqlite-queue.ts";

export interface PipelineOptions {
  readonly db: DatabaseSync;
  readonly port: number;
  readonly token: string;
  readonly ingest: QueueFunction;
  readonly api: HttpFunction;
  readonly onPoison: (body: string, receives: number) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

export interface Pipeline {
  readonly port: number;
  /** Takes no more, works off what is in the queue, and closes the database. */
  stop(): Promise<void>;
}

const maxReceives = 100;
const drainMs = 10_000;

/**
 * The pipeline on one machine: bus, queue and functions in one process, on loopback.
 *
 * @throws AppError `conflict` where the port is taken.
 */
export async function startPipeline(options: PipelineOptions): Promise<Pipeline> {
  const { db, onError } = options;
  const now = Date.now;
  const queue = sqliteQueue(db);
  const poller = createPoller({
    name: "ingest",
    queue,
    run: options.ingest,
    onPoison: options.onPoison,
    onError,
    now,
    maxReceives,
  });
  const bus = createBus({ queue, now, onSent: poller.wake, onError });
  const server = createHttpServer({ bus, api: options.api, token: options.token, onError });

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

  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      const closed = once(server, "close");
      server.close();
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), 2_000);
      await closed;
      clearTimeout(cut);
      await poller.drain(drainMs);
      db.close();
    },
  };
}
