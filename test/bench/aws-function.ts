import { once } from "node:events";
import { readFileSync } from "node:fs";
import { makeDigestKey, makeInstallationKey } from "@tooltrail/format/keys";
import { start } from "../chaos/processes.ts";
import { awsEnvironment } from "../support/adapters.ts";
import { awsServices, kmsKey } from "../support/aws-services.ts";
import { source, stop } from "./processes.ts";

/** A bundled function in a bare process, and what it has used of a processor. */
export interface AwsFunction {
  invoke(event: unknown): Promise<unknown>;
  /** Milliseconds of processor, of all its threads, since it began. */
  cpuMs(): number;
  /** Bytes that it has logged. */
  loggedBytes(): number;
  stop(): Promise<void>;
}

export async function startAwsFunction(bundle: string, env: NodeJS.ProcessEnv): Promise<AwsFunction> {
  const args = [source("test/support/invoke.ts"), bundle];
  const started = start(args, { env, stdio: ["ignore", "pipe", "inherit", "ipc"] });
  let logged = 0;
  started.child.stdout?.on("data", (chunk: Buffer) => {
    logged += chunk.length;
  });
  const next = async (): Promise<{ value?: unknown; error?: string }> => {
    const ended = started.ended.then(({ code }) => Promise.reject(new Error(`The function ended with ${code}.`)));
    const [message] = await Promise.race([once(started.child, "message"), ended]);
    return message;
  };
  await next();
  return {
    async invoke(event) {
      started.child.send(event as object);
      const { value, error } = await next();
      if (error !== undefined) throw new Error(error);
      return value;
    },
    cpuMs: () => cpuMs(started.pid),
    loggedBytes: () => logged,
    stop: () => stop(started, "SIGKILL"),
  };
}

/** The kernel counts in hundredths of a second: good enough over many invocations. */
function cpuMs(pid: number): number {
  const [, fields = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ");
  const [user, system] = fields.split(" ").slice(11, 13).map(Number);
  return ((user ?? 0) + (system ?? 0)) * 10;
}

/** What a stack tells a function, with services that stand in. @param tables names that exist where `dynamoDb` is real. */
export async function functionEnvironment(
  dynamoDb: string,
  tables = { ledgerTable: "ledger", stateTable: "state" },
): Promise<{ env: NodeJS.ProcessEnv; close(): Promise<void> }> {
  const keys = { installationKey: makeInstallationKey(), digestKeys: [makeDigestKey()], enrolledKeys: [] };
  const services = await awsServices(JSON.stringify(keys));
  const env = {
    ...awsEnvironment({ dynamoDb, services: services.endpoint }),
    TOOLTRAIL_LEDGER_TABLE: tables.ledgerTable,
    TOOLTRAIL_STATE_TABLE: tables.stateTable,
    TOOLTRAIL_KEYS_SECRET: "keys",
    TOOLTRAIL_BUS: "tooltrail",
    TOOLTRAIL_ACCOUNT: "000000000000",
    TOOLTRAIL_LOG_BUCKET: "log",
    TOOLTRAIL_LOG_ORIGIN: "example.org/log",
    TOOLTRAIL_LOG_KEYS: kmsKey,
    POWERTOOLS_LOG_LEVEL: "INFO",
  };
  return { env, close: services.close };
}
