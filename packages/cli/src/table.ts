/** A column of text. Width 0 is for the last: as long as it is. */
export interface TextColumn<Entry> {
  readonly name: string;
  readonly width: number;
  readonly of: (entry: Entry) => string;
}

/** Names come from servers and clients: nothing of them may steer the terminal. */
export const plain = (value: unknown): string => String(value ?? "").replace(/\p{C}/gu, "?");

/** Exactly so wide; width 0 leaves it as it is. */
export const fit = (text: string, width: number): string =>
  width === 0 ? text : text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width);

/** Lines under a head, each with its line feed. */
export function table<Entry>(columns: readonly TextColumn<Entry>[], entries: readonly Entry[]): string {
  const head = columns.map(({ name, width }) => name.padEnd(width));
  const lines = entries.map((entry) => columns.map(({ width, of }) => fit(of(entry), width)));
  return [head, ...lines].map((cells) => `${cells.join(" ").trimEnd()}\n`).join("");
}
