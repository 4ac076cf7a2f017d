import { existsSync, readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import type { ListObjectVersionsCommandOutput } from "@aws-sdk/client-s3";
import type { BatchesPage, PositionsPage } from "@tooltrail/api/types";
import type { LedgerSource, LogSource, StoredObject } from "@tooltrail/core/verify/sources";
import { authorizer } from "./authorize.ts";
import { type Client, createClient, Unreachable } from "./client.ts";
import type { Config } from "./config.ts";

/** A log, and the ledger beside it where there is one. */
export interface OpenSource {
  /** What a pin remembers it by. */
  readonly name: string;
  readonly log: LogSource;
  readonly ledger?: LedgerSource;
  /** Why there is no ledger. */
  readonly noLedger?: string;
  /** A pipeline is at work there. */
  readonly live: boolean;
  close(): void;
}

/**
 * Where a log is read from: a URL (the endpoint, unless another is given), a folder, or `s3://BUCKET[/PREFIX]`.
 *
 * @throws Error where there is no log.
 */
export async function openSource(
  from: string | undefined,
  withLedger: boolean,
  config: () => Config,
): Promise<OpenSource> {
  if (from?.startsWith("s3://")) return bucketSource(from, config().s3PathStyle);
  if (from === undefined || /^https?:\/\//.test(from)) return urlSource(from, withLedger, config());
  return folderSource(resolve(from), withLedger);
}

const nothing = (): void => undefined;
const timeoutMs = 30_000;
/** A full bundle of the largest entries. */
const maxObjectBytes = 256 * 65_537;

function urlSource(from: string | undefined, withLedger: boolean, config: Config): OpenSource {
  const address = from ?? config.endpoint;
  if (!URL.canParse(address)) throw new Error(`${address} is not a URL.`);
  const base = new URL(`${address.replace(/\/+$/, "").replace(/\/log$/, "")}/log/`);
  const source = {
    name: base.href,
    log: { read: (name: string) => download(base, name), list: async () => undefined },
  };
  const ours = from === undefined || new URL(config.endpoint).origin === base.origin;
  if (!withLedger || !ours) {
    const noLedger = ours ? "--no-ledger" : "only the pipeline at TOOLTRAIL_ENDPOINT is asked for its ledger";
    return { ...source, noLedger, live: true, close: nothing };
  }
  try {
    return {
      ...source,
      ledger: ledgerOf(createClient(config.endpoint, authorizer(config))),
      live: true,
      close: nothing,
    };
  } catch (error) {
    return { ...source, noLedger: (error as Error).message, live: true, close: nothing };
  }
}

/** Tried three times: of a million leaves one request may fail. */
async function download(base: URL, name: string): Promise<Uint8Array | undefined> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await once(new URL(name, base));
    } catch (error) {
      if (tries === 3)
        throw new Unreachable(`${base.href}${name} cannot be read: ${(error as Error).message}`, { cause: error });
    }
  }
}

async function once(url: URL): Promise<Uint8Array | undefined> {
  const response = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(timeoutMs) });
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`the answer is ${response.status}`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > maxObjectBytes) throw new Error(`it has more than ${maxObjectBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function ledgerOf({ get }: Client): LedgerSource {
  return {
    async batchesFrom(leaf) {
      const { batches, next } = await get<BatchesPage>("/v1/batches", { leaf: String(leaf) });
      return { entries: batches, ...(next !== null && { next }) };
    },
    async positions(cursor) {
      const { positions, next } = await get<PositionsPage>("/v1/batches", { cursor });
      return { positions, ...(next !== null && { next }) };
    },
    async entries(places) {
      const text = places.map(({ emitter, seq }) => `${emitter}.${seq}`).join(",");
      return (await get<BatchesPage>("/v1/batches", { places: text })).batches;
    },
  };
}

/** The log's folder itself, or a pipeline's data folder with the ledger in it. */
async function folderSource(dir: string, withLedger: boolean): Promise<OpenSource> {
  const folder = [join(dir, "log"), dir].find(
    (path) => existsSync(join(path, "checkpoint")) || existsSync(join(path, "tile")),
  );
  if (folder === undefined) throw new Error(`There is no log in ${dir}: neither a checkpoint nor tiles.`);
  const source = { name: folder, log: folderLog(folder), live: false };
  const database = join(dir, "tooltrail.db");
  if (!withLedger || !existsSync(database))
    return { ...source, noLedger: withLedger ? `there is no ${database}` : "--no-ledger", close: nothing };
  const ledger = await sqliteLedgerSource(database, source.log);
  return { ...source, ...ledger };
}

const folderLog = (folder: string): LogSource => ({
  async read(name) {
    try {
      return readFileSync(join(folder, name)); // a third of the time, and nobody else waits in this process
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR") return undefined;
      throw error;
    }
  },
  async list() {
    const found = await readdir(folder, { recursive: true, withFileTypes: true });
    return found
      .filter((entry) => !entry.isDirectory())
      .map((entry) => ({
        name: relative(folder, join(entry.parentPath, entry.name)),
        versions: 1,
        deleted: false,
      }))
      .filter(({ name }) => !isUnfinished(name));
  },
});

/** What a writer has not put in place yet, or a killed one left: it is no object of the log, and nobody serves it. */
const isUnfinished = (name: string): boolean => name.split("/").some((part) => part.startsWith("."));

/** Opened for reading, beside nobody: a pipeline at work keeps its database to itself. */
async function sqliteLedgerSource(
  file: string,
  log: LogSource,
): Promise<Pick<OpenSource, "ledger" | "noLedger" | "close">> {
  const { DatabaseSync } = await import("node:sqlite");
  const { sqliteLedger } = await import("@tooltrail/local/sqlite-ledger");
  const { sqliteBatchIndex } = await import("@tooltrail/local/sqlite-batch-index");
  const { serveLedger } = await import("@tooltrail/core/verify/served-ledger");
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const ledger = sqliteLedger(db);
    const index = sqliteBatchIndex(db);
    await ledger.positions({ sinceMs: 0, limit: 1 });
    const read = async (): Promise<string | undefined> => {
      const bytes = await log.read("checkpoint");
      return bytes && Buffer.from(bytes).toString("utf8");
    };
    return { ledger: serveLedger({ ledger, index, blobs: log, checkpoints: { read } }), close: () => db.close() };
  } catch (error) {
    db.close();
    return {
      noLedger: `${file} cannot be read (${(error as Error).message}); is its pipeline running? Then leave --from away`,
      close: nothing,
    };
  }
}

/** `s3://BUCKET[/PREFIX]`, with all versions: an object that was written twice, or deleted, shows. */
async function bucketSource(address: string, forcePathStyle: boolean): Promise<OpenSource> {
  const [, bucket, prefix = "log"] = /^s3:\/\/([a-z0-9.-]{3,63})(?:\/(.+?))?\/*$/.exec(address) ?? [];
  if (bucket === undefined) throw new Error(`${address} is not s3://BUCKET[/PREFIX].`);
  const { GetObjectCommand, ListObjectVersionsCommand, NoSuchKey, S3Client } = await import("@aws-sdk/client-s3");
  const client = new S3Client({ forcePathStyle });
  const log: LogSource = {
    async read(name) {
      try {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: `${prefix}/${name}` }));
        return await Body?.transformToByteArray();
      } catch (error) {
        if (error instanceof NoSuchKey) return undefined;
        throw new Unreachable(`s3://${bucket}/${prefix}/${name} cannot be read: ${(error as Error).message}`, {
          cause: error,
        });
      }
    },
    async list() {
      const found = new Map<string, { versions: number; deleted: boolean }>();
      const seen = (key: string | undefined): { versions: number; deleted: boolean } => {
        const name = (key ?? "").slice(prefix.length + 1);
        const entry = found.get(name) ?? { versions: 0, deleted: false };
        found.set(name, entry);
        return entry;
      };
      let page: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {};
      while (page !== undefined) {
        const answer: ListObjectVersionsCommandOutput = await client.send(
          new ListObjectVersionsCommand({ Bucket: bucket, Prefix: `${prefix}/`, ...page }),
        );
        for (const { Key } of answer.Versions ?? []) seen(Key).versions += 1;
        for (const { Key } of answer.DeleteMarkers ?? []) seen(Key).deleted = true;
        page = answer.IsTruncated
          ? {
              ...(answer.NextKeyMarker !== undefined && { KeyMarker: answer.NextKeyMarker }),
              ...(answer.NextVersionIdMarker !== undefined && { VersionIdMarker: answer.NextVersionIdMarker }),
            }
          : undefined;
      }
      return [...found].map(([name, entry]): StoredObject => ({ name, ...entry }));
    },
  };
  return {
    name: `s3://${bucket}/${prefix}`,
    log,
    noLedger: "a bucket has none; set TOOLTRAIL_ENDPOINT and leave --from away",
    live: false,
    close: () => client.destroy(),
  };
}
