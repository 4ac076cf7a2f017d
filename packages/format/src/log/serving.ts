import { parseTilePath } from "./tile.ts";

/** How an object of the log is served, by its name under the log's prefix. What has a tile's name never changes; staged objects are nobody's. */
export function servingOf(name: string): { readonly contentType: string; readonly cacheControl: string } {
  if (name === "checkpoint") return { contentType: plainText, cacheControl: "no-cache" };
  if (name === "vkey") return { contentType: plainText, cacheControl: "public, max-age=3600" };
  if (parseTilePath(name) !== undefined)
    return { contentType: bytes, cacheControl: "public, max-age=31536000, immutable" };
  return { contentType: bytes, cacheControl: "no-store" };
}

const plainText = "text/plain; charset=utf-8";
const bytes = "application/octet-stream";
