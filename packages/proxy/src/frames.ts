/**
 * Cuts a byte stream into the lines that stdio MCP frames are, without copying a chunk more than once and without ever decoding half a
 * character: a line becomes text only when it is whole.
 */
export interface FrameReader {
  /** @returns the lines that this chunk completes, line feed included. */
  push(chunk: Buffer): Buffer[];
  /** The bytes of a line that has not ended; they are given up. */
  rest(): Buffer;
}

/** @param onOversize gets the bytes of a frame that is larger than the bound, which is never a line; `first` once for each frame. */
export function createFrameReader(
  maxFrameBytes: number,
  onOversize: (bytes: Buffer, first: boolean) => void,
): FrameReader {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let skipping = false;

  function take(): Buffer {
    const line = held.length === 1 && held[0] ? held[0] : Buffer.concat(held);
    held = [];
    heldBytes = 0;
    return line;
  }

  function hold(part: Buffer): void {
    held.push(part);
    heldBytes += part.length;
    if (!skipping && heldBytes <= maxFrameBytes) return;
    onOversize(take(), !skipping);
    skipping = true;
  }

  return {
    push(chunk) {
      const lines: Buffer[] = [];
      for (let from = 0; from < chunk.length; ) {
        const feed = chunk.indexOf(10, from);
        hold(chunk.subarray(from, feed === -1 ? chunk.length : feed + 1));
        if (feed === -1) break;
        if (!skipping) lines.push(take());
        skipping = false;
        from = feed + 1;
      }
      return lines;
    },
    rest: take,
  };
}

/**
 * What a line says to the laxest reader that might be behind us, so that nothing is called that was not seen: Python's SDK also ends a
 * line at a bare carriage return, and reads NaN and Infinity.
 *
 * @returns a message, an array of them, or undefined where nobody could read it.
 */
export function parseFrame(line: Buffer): unknown {
  const text = line.toString("utf8");
  const whole = parse(text);
  return whole !== undefined || !text.includes("\r") ? whole : parseParts(text.split("\r"));
}

function parseParts(parts: readonly string[]): unknown[] | undefined {
  const messages = parts.map(parse);
  return messages.includes(undefined) ? undefined : messages.flat();
}

/** A blank line, or one that says null, is no message. */
function parse(text: string): unknown {
  if (text.trim() === "") return [];
  return parseJson(text) ?? (/NaN|Infinity/.test(text) ? parseJson(withoutNumbersThatAreNone(text)) : undefined);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) ?? [];
  } catch {
    return undefined;
  }
}

/** `null` for every NaN and Infinity outside of strings. */
function withoutNumbersThatAreNone(text: string): string {
  const kept: string[] = [];
  for (let from = 0; ; ) {
    const open = text.indexOf('"', from);
    kept.push(text.slice(from, open === -1 ? undefined : open).replace(/-?\b(?:NaN|Infinity)\b/g, "null"));
    if (open === -1) return kept.join("");
    const close = endOfString(text, open);
    kept.push(text.slice(open, close));
    from = close;
  }
}

/** @returns the index after the quote that ends the string which begins at `open`. */
function endOfString(text: string, open: number): number {
  for (let quote = text.indexOf('"', open + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let before = quote - 1;
    while (text[before] === "\\") before -= 1;
    if ((quote - before) % 2 === 1) return quote + 1;
  }
  return text.length;
}
