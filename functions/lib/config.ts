import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** Everything that comes from outside, read here and nowhere else in the functions. */
export interface Config {
  readonly dataDir: string;
  readonly spoolDir: string;
  readonly digestKey: string | undefined;
  readonly fsync: boolean;
  /** Public keys of other installations, besides this machine's own. */
  readonly enrolledKeys: readonly string[];
}

/** @param env the environment; `TOOLTRAIL_DATA` is set from `--data` where that was given. */
export const config = (env: NodeJS.ProcessEnv = process.env): Config => ({
  dataDir: resolve(env.TOOLTRAIL_DATA || ".tooltrail"),
  spoolDir: resolve(env.TOOLTRAIL_SPOOL || join(homedir(), ".local/state/tooltrail/spool")),
  digestKey: env.TOOLTRAIL_DIGEST_KEY || undefined,
  fsync: env.TOOLTRAIL_FSYNC === "1",
  enrolledKeys: (env.TOOLTRAIL_ENROLLED_KEYS ?? "").split(",").filter(Boolean),
});

/** What the stack tells ingest and api. Regions, credentials and endpoints are the AWS client's own business. */
export interface AwsConfig {
  readonly ledgerTable: string;
  readonly stateTable: string;
  /** Name or ARN. */
  readonly keysSecret: string;
  readonly bus: string;
  /** The AWS account that tooltrail's own records are written from. */
  readonly account: string;
}

/** @throws Error that names every variable that is missing. */
export const awsConfig = (env: NodeJS.ProcessEnv = process.env): AwsConfig =>
  required(env, {
    ledgerTable: "TOOLTRAIL_LEDGER_TABLE",
    stateTable: "TOOLTRAIL_STATE_TABLE",
    keysSecret: "TOOLTRAIL_KEYS_SECRET",
    bus: "TOOLTRAIL_BUS",
    account: "TOOLTRAIL_ACCOUNT",
  });

/** What a function needs that only says something on the bus. @throws Error where it is missing. */
export const busConfig = (env: NodeJS.ProcessEnv = process.env): Pick<AwsConfig, "bus"> =>
  required(env, { bus: "TOOLTRAIL_BUS" });

function required<Name extends string>(
  env: NodeJS.ProcessEnv,
  variables: { readonly [name in Name]: string },
): { readonly [name in Name]: string } {
  const pairs = Object.entries<string>(variables);
  const missing = pairs.filter(([, variable]) => !env[variable]).map(([, variable]) => variable);
  if (missing.length > 0) throw new Error(`Not set: ${missing.join(", ")}. The stack sets them on each function.`);
  return Object.fromEntries(pairs.map(([name, variable]) => [name, env[variable]])) as {
    readonly [name in Name]: string;
  };
}
