import type { PipelineEvent } from "@tooltrail/format";
import { LogFormatError } from "@tooltrail/format/log";
import { AppError } from "../errors.ts";

/** What stands in the way: an object of the log by its name, or `head`. */
interface Obstacle {
  readonly object: string;
  readonly detail: string;
}

const obstacles = new WeakMap<AppError, Obstacle>();

/** The log is not what it must be: whoever meets it publishes nothing more. `object` is a name in the blob store, or `head`. */
export function halt(object: string, detail: string, cause?: unknown): AppError {
  const error = new AppError("halted", `The log stands still: ${object}: ${detail}`, { cause });
  obstacles.set(error, { object, detail });
  return error;
}

/** What is to be said on the bus of an error: undefined where it is none that `halt` made. */
export function haltEvent(error: unknown): PipelineEvent | undefined {
  const obstacle = error instanceof AppError ? obstacles.get(error) : undefined;
  return obstacle && { type: "integrity.conflict", what: "log_diverged", ...obstacle };
}

/** Runs what reads the log's objects. Objects that are missing or malformed halt, under the name `object`; every other error goes through. */
export async function haltingAt<T>(object: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof LogFormatError) throw halt(object, error.message, error);
    throw error;
  }
}
