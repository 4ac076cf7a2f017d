import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseTilePath, servingOf } from "@tooltrail/format/log";
import type { Answer } from "./server.ts";

/**
 * The log as its readers see it (C2SP tlog-tiles), without a token: `/log/checkpoint`, `/log/vkey` and `/log/tile/...`.
 *
 * What is read is a file only where its name is one of these, so no path leads out of the folder, nor to what is staged.
 */
export function createLogFiles(dataDir: string) {
  const folder = join(dataDir, "log");

  /** @param path what comes after `/log/`. */
  return async ({ method, path, ifNoneMatch }: LogRequest): Promise<Answer> => {
    if (method !== "GET" && method !== "HEAD")
      return {
        status: 405,
        headers: { ...plainText, allow: "GET, HEAD" },
        body: "The log is read with GET or HEAD.\n",
      };
    const bytes = isOfLog(path) ? await readIfThere(join(folder, path)) : undefined;
    // What is not there yet may be there in a second.
    if (bytes === undefined)
      return {
        status: 404,
        headers: { ...plainText, "cache-control": "no-store" },
        body: "The log has no such object.\n",
      };
    const { contentType, cacheControl } = servingOf(path);
    const etag = `"${createHash("sha256").update(bytes).digest("base64url")}"`;
    const headers = { "cache-control": cacheControl, etag };
    if (ifNoneMatch?.split(/\s*,\s*/).some((one) => one === etag || one === "*"))
      return { status: 304, headers, body: "" };
    return { status: 200, headers: { ...headers, "content-type": contentType }, body: bytes };
  };
}

export interface LogRequest {
  readonly method: string | undefined;
  readonly path: string;
  readonly ifNoneMatch: string | undefined;
}

const plainText = { "content-type": "text/plain; charset=utf-8" };

const isOfLog = (path: string): boolean =>
  path === "checkpoint" || path === "vkey" || parseTilePath(path) !== undefined;

async function readIfThere(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A folder of tiles (`tile/0/x001`) is no object either.
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR") return undefined;
    throw error;
  }
}
