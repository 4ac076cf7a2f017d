import { parseArgs } from "node:util";
import { AppError } from "@tooltrail/core/errors";
import { refuse } from "@tooltrail/core/ingest";
import { sweepStaged } from "@tooltrail/core/log/head";
import type { Rebuilt } from "@tooltrail/core/log/rebuild";
import type { Reconciled } from "@tooltrail/core/log/reconcile";
import { startPipeline } from "@tooltrail/local/pipeline";
import { contextOf } from "@tooltrail/local/poller";
import { hasDatabase } from "@tooltrail/local/sqlite";
import { loadToken } from "@tooltrail/local/token";
import { createResponseFolder, createSloFolder } from "./lib/definition-folder.ts";
import { sayOnTerminal } from "./lib/terminal.ts";

/** `npm start`: the same functions as on AWS, on this machine. */

const usage = "Usage: npm start [-- --data DIR --port N --fsync --rebuild-log]";

async function main(): Promise<void> {
  const { port, rebuildLog, ...set } = readArguments();
  process.umask(0o077);
  // On a terminal only what needs a person is worth a line. Powertools reads these when the functions are loaded.
  Object.assign(process.env, {
    POWERTOOLS_SERVICE_NAME: "tooltrail",
    POWERTOOLS_LOG_LEVEL: "WARN",
    POWERTOOLS_METRICS_DISABLED: "true",
    ...process.env,
    ...set,
  });
  const { config } = await import("./lib/config.ts");
  const { database, ports, rules } = await import("#ports");
  const { dataDir } = config();
  if (rebuildLog && !hasDatabase(dataDir))
    throw new AppError("not_found", `${dataDir} is no data folder of a pipeline: it has no tooltrail.db.`);
  const db = database();
  ports(); // a key that cannot be used is said now, not with the first event
  const { loggerOf } = await import("./lib/handler.ts");
  const logger = loggerOf("pipeline");
  const { imageOf } = await import("./lib/arrivals.ts");
  const { handler: reconcile } = await import("./reconcile.ts");
  if (rebuildLog) {
    // The whole index, too: on one machine it costs nothing.
    const asked = { rebuild: true, indexFrom: 0 } as const;
    const { from, size, signed, lost, found } = (await reconcile(asked, contextOf("reconcile"))) as Rebuilt &
      Reconciled;
    process.stderr.write(
      `tooltrail: the log's head says ${size} leaves, ${signed} of them signed. It said ${from}${lost > 0 ? `; ${lost} were lost, unsigned, and come again from the ledger` : ""}.\n` +
        `tooltrail: ${found} batches of the ledger were not in the log, and are now.\n`,
    );
    return db.close();
  }
  const { handler: ingest } = await import("./ingest.ts");
  const { handler: api } = await import("./api.ts");
  const { handler: sequence } = await import("./sequence.ts");
  const { handler: sign } = await import("./sign.ts");
  const { handler: follow } = await import("./follow.ts");
  const { handler: evaluate } = await import("./evaluate.ts");
  const { handler: triage } = await import("./triage.ts");
  const { handler: respond } = await import("./respond.ts");
  const { handler: incidents } = await import("./incidents.ts");

  const { reader, sequencer } = await import("#log");
  await sweepStaged(sequencer()); // nobody sequences yet
  sayOnTerminal(rules(), (text) => void process.stderr.write(text));
  const { audit, callerOf } = await import("#ports");
  const watched = {
    projections: (await reader())().projections,
    audit: audit(),
    caller: callerOf(undefined as never),
    now: Date.now,
    onFaults: (faults: readonly string[]) =>
      void process.stderr.write(faults.map((fault) => `tooltrail: ${fault}\n`).join("")),
    onError: (error: unknown) => logger.error("a folder of definitions could not be looked at", error as Error),
  };
  const folders = [
    createSloFolder({ ...watched, folder: config().sloFolder }),
    createResponseFolder({ ...watched, folder: config().responseFolder }),
  ];
  for (const folder of folders) await folder.start();
  const pipeline = await startPipeline({
    db,
    dataDir,
    port,
    token: loadToken(dataDir),
    imageOf,
    rules: rules(),
    functions: {
      ingest,
      api,
      sequence,
      sign,
      follow,
      evaluate,
      triage,
      respond,
      incidents,
      reconcile: (event, context) => reconcile(event as object, context),
    },
    async onPoison(name, body, receives) {
      await refuse(ports(), body, {
        reason: name === "triage" ? "untriaged" : "poison",
        detail: `The ${name} function failed on it ${receives} times; the log says how.`,
      });
    },
    onError: (error) => logger.error("the pipeline met an error and goes on", error as Error),
  });
  process.stderr.write(`tooltrail is ready on http://127.0.0.1:${pipeline.port}, data in ${dataDir}\n`);

  const stop = (): void => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.off(signal, stop); // a second one ends it at once
    Promise.all(folders.map((folder) => folder.stop()))
      .then(() => pipeline.stop())
      .catch(fail);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, stop);
}

interface Arguments {
  readonly port: number;
  readonly rebuildLog: boolean;
  readonly TOOLTRAIL_DATA?: string;
  readonly TOOLTRAIL_FSYNC?: string;
}

function readArguments(): Arguments {
  try {
    const { values } = parseArgs({
      options: {
        data: { type: "string" },
        port: { type: "string", default: "4747" },
        fsync: { type: "boolean" },
        "rebuild-log": { type: "boolean", default: false },
      },
    });
    const port = Number(values.port);
    if (!/^\d{1,5}$/.test(values.port) || port > 65_535)
      throw new Error(`--port: "${values.port}" is not a port (0 to 65535).`);
    return {
      port,
      rebuildLog: values["rebuild-log"],
      ...(values.data && { TOOLTRAIL_DATA: values.data }),
      ...(values.fsync && { TOOLTRAIL_FSYNC: "1" }),
    };
  } catch (error) {
    process.stderr.write(`tooltrail: ${(error as Error).message}\n${usage}\n`);
    process.exit(64);
  }
}

function fail(error: unknown): never {
  const text =
    error instanceof AppError ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`tooltrail: ${text}\n`);
  process.exit(1);
}

main().catch(fail);
