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

/** @returns undefined where the line is not JSON: servers print all kinds of things. */
export function parseFrame(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString("utf8"));
  } catch {
    return undefined;
  }
}
