import { resolve } from "node:path";
import { authorizer } from "./authorize.ts";
import { type Client, createClient } from "./client.ts";
import { config } from "./config.ts";

/** Flags of every command that asks the pipeline. */
export interface ConnectFlags {
  readonly data?: string;
}

export const connectFlags = {
  data: {
    kind: "parsed",
    parse: String,
    optional: true,
    brief: "the pipeline's data folder, for its token",
    placeholder: "DIR",
  },
} as const;

/** The pipeline at TOOLTRAIL_ENDPOINT. @throws Error where nothing tells it who asks. */
export function connect({ data }: ConnectFlags): Client {
  // `| head` has read enough: that is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 2));
  const set = config();
  return createClient(set.endpoint, authorizer({ ...set, ...(data !== undefined && { dataDir: resolve(data) }) }));
}
