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
  /** A file with the witnesses to ask and how many of them a verifier needs (C2SP tlog-policy). */
  readonly policyFile: string | undefined;
  /** A folder of OpenSLO definitions. */
  readonly sloFolder: string;
  /** A folder of playbooks, runbooks, destinations and policies. */
  readonly responseFolder: string;
}

/** @param env the environment; `TOOLTRAIL_DATA` is set from `--data` where that was given. */
export const config = (env: NodeJS.ProcessEnv = process.env): Config => ({
  dataDir: resolve(env.TOOLTRAIL_DATA || ".tooltrail"),
  spoolDir: resolve(env.TOOLTRAIL_SPOOL || join(homedir(), ".local/state/tooltrail/spool")),
  digestKey: env.TOOLTRAIL_DIGEST_KEY || undefined,
  fsync: env.TOOLTRAIL_FSYNC === "1",
  enrolledKeys: (env.TOOLTRAIL_ENROLLED_KEYS ?? "").split(",").filter(Boolean),
  policyFile: env.TOOLTRAIL_POLICY ? resolve(env.TOOLTRAIL_POLICY) : undefined,
  sloFolder: resolve(env.TOOLTRAIL_SLOS || join(env.TOOLTRAIL_DATA || ".tooltrail", "slos")),
  responseFolder: resolve(env.TOOLTRAIL_RESPONSE || join(env.TOOLTRAIL_DATA || ".tooltrail", "response")),
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

/** For who reads the ledger and nothing of ingest's. @throws Error where it is missing. */
export const ledgerConfig = (env: NodeJS.ProcessEnv = process.env): Pick<AwsConfig, "ledgerTable"> =>
  required(env, { ledgerTable: "TOOLTRAIL_LEDGER_TABLE" });

/** For who deals with incidents, and reads no log. @throws Error where it is missing. */
export const stateConfig = (env: NodeJS.ProcessEnv = process.env): Pick<AwsConfig, "stateTable"> =>
  required(env, { stateTable: "TOOLTRAIL_STATE_TABLE" });

/** Where the secrets lie by which others are told of incidents. @throws Error where it is missing. */
export const responseConfig = (env: NodeJS.ProcessEnv = process.env): { readonly responseSecret: string } =>
  required(env, { responseSecret: "TOOLTRAIL_RESPONSE_SECRET" });

/** Where the log's head, its index and the projections are, and its objects. */
export interface LogConfig {
  readonly stateTable: string;
  readonly logBucket: string;
  /** For how long nobody at all may delete a full tile. Absent where the bucket has no object lock. */
  readonly lockedDays: number | undefined;
}

/** @throws Error that names every variable that is missing, or wrong. */
export function logConfig(env: NodeJS.ProcessEnv = process.env): LogConfig {
  const days = env.TOOLTRAIL_LOG_LOCK_DAYS;
  if (days && !/^[1-9]\d{0,4}$/.test(days)) throw new Error(`TOOLTRAIL_LOG_LOCK_DAYS: "${days}" is no number of days.`);
  return {
    ...required(env, { stateTable: "TOOLTRAIL_STATE_TABLE", logBucket: "TOOLTRAIL_LOG_BUCKET" }),
    lockedDays: days ? Number(days) : undefined,
  };
}

/** What the log is called, and who signs it. */
export interface LogKeysConfig {
  readonly origin: string;
  /** KMS keys, the current one first; one with `untilMs` signs beside it until then. */
  readonly keys: readonly { readonly arn: string; readonly untilMs?: number }[];
  /** Text of a C2SP tlog-policy. */
  readonly policy: string | undefined;
}

/** @throws Error that names the variable that is missing, or the entry that is wrong. */
export function logKeysConfig(env: NodeJS.ProcessEnv = process.env): LogKeysConfig {
  const { origin, keys } = required(env, { origin: "TOOLTRAIL_LOG_ORIGIN", keys: "TOOLTRAIL_LOG_KEYS" });
  return { origin, keys: keys.split(",").map(parseKey), policy: env.TOOLTRAIL_WITNESS_POLICY || undefined };
}

/** `ARN`, or `ARN@2026-12-31T00:00:00Z`. */
function parseKey(text: string, place: number): LogKeysConfig["keys"][number] {
  const [, arn = "", until] = /^([^@\s]+)(?:@(\S+))?$/.exec(text.trim()) ?? [];
  const untilMs = until === undefined ? undefined : Date.parse(until);
  if (arn === "" || Number.isNaN(untilMs))
    throw new Error(`TOOLTRAIL_LOG_KEYS: entry ${place + 1} is no KMS key's ARN, with "@" and a time if it ends.`);
  return { arn, ...(untilMs !== undefined && { untilMs }) };
}

/** Reads them all, so that a function which starts without several says so once. @throws Error with what each of them says. */
export function demand(...reads: readonly (() => unknown)[]): void {
  const faults = reads.flatMap((read) => {
    try {
      read();
      return [];
    } catch (error) {
      return (error as Error).message;
    }
  });
  if (faults.length > 0) throw new Error(faults.join(" "));
}

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
