import { parseArgs } from "node:util";
import { AppError } from "@tooltrail/core/errors";
import { refuse } from "@tooltrail/core/ingest";
import { startPipeline } from "@tooltrail/local/pipeline";
import { loadToken } from "@tooltrail/local/token";

/** `npm start`: the same functions as on AWS, on this machine. */

const usage = "Usage: npm start [-- --data DIR --port N --fsync]";

async function main(): Promise<void> {
  const { port, ...set } = readArguments();
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
  const { database, ports } = await import("#ports");
  const { logger } = await import("./lib/handler.ts");
  const { handler: ingest } = await import("./ingest.ts");
  const { handler: api } = await import("./api.ts");

  const { dataDir } = config();
  const db = database();
  ports(); // a key that cannot be used is said now, not with the first event
  const pipeline = await startPipeline({
    db,
    port,
    token: loadToken(dataDir),
    ingest,
    api,
    async onPoison(body, receives) {
      await refuse(ports(), body, {
        reason: "poison",
        detail: `The ingest function failed on it ${receives} times; the log says how.`,
      });
    },
    onError: (error) => logger.error("the pipeline met an error and goes on", error as Error),
  });
  process.stderr.write(`tooltrail is ready on http://127.0.0.1:${pipeline.port}, data in ${dataDir}\n`);

  const stop = (): void => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.off(signal, stop); // a second one ends it at once
    pipeline.stop().catch(fail);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, stop);
}

function readArguments(): { port: number; TOOLTRAIL_DATA?: string; TOOLTRAIL_FSYNC?: string } {
  try {
    const { values } = parseArgs({
      options: { data: { type: "string" }, port: { type: "string", default: "4747" }, fsync: { type: "boolean" } },
    });
    const port = Number(values.port);
    if (!/^\d{1,5}$/.test(values.port) || port > 65_535)
      throw new Error(`--port: "${values.port}" is not a port (0 to 65535).`);
    return { port, ...(values.data && { TOOLTRAIL_DATA: values.data }), ...(values.fsync && { TOOLTRAIL_FSYNC: "1" }) };
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
