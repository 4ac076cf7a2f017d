import { AppError } from "../errors.ts";
import { maxRowsPerCommit, type Row, type RowKey } from "./ports.ts";

/** Of `collection` and of `id`, in UTF-8. */
export const maxRowKeyBytes = 1_000;
/** Of a row's value as JSON, in UTF-8: an item of DynamoDB has at most 400 KB, its key and names among them. */
export const maxRowBytes = 380_000;
/** Of all values of a commit: a transaction of DynamoDB has at most 4 MB, keys and names among them. */
export const maxCommitBytes = 3_500_000;

type Change = RowKey & { readonly value: Row["value"] | undefined };

/**
 * The rows of a commit, each with its value as JSON: what one store takes, every other one must.
 *
 * @throws AppError invalid, outcome not-applied, that names the row that is too large, or is there twice; or where all of them are too large together.
 */
export function jsonRows(rows: readonly Change[]): readonly (RowKey & { readonly json: string | undefined })[] {
  if (rows.length > maxRowsPerCommit)
    throw refused(`${rows.length} rows in one commit, and it takes ${maxRowsPerCommit}.`);
  const seen = new Set<string>();
  let total = 0;
  return rows.map(({ collection, id, value }) => {
    const name = JSON.stringify([collection, id]);
    if (seen.has(name)) throw refused(`The row ${name} is in one commit twice.`);
    seen.add(name);
    for (const [part, text] of Object.entries({ collection, id })) {
      const bytes = bytesOf(text);
      if (bytes === 0 || bytes > maxRowKeyBytes || !text.isWellFormed())
        throw refused(`The row ${name.slice(0, 200)}: its ${part} must be a text of 1 to ${maxRowKeyBytes} bytes.`);
    }
    const json = value && JSON.stringify(value);
    const bytes = json === undefined ? 0 : bytesOf(json);
    if (bytes > maxRowBytes)
      throw refused(`The row ${name}: its value has ${bytes} bytes, and at most ${maxRowBytes} may be stored.`);
    total += bytes;
    if (total > maxCommitBytes) throw refused(`${total} bytes in one commit, and it takes ${maxCommitBytes}.`);
    return { collection, id, json };
  });
}

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

const refused = (message: string): AppError => new AppError("invalid", message, { outcome: "not-applied" });
