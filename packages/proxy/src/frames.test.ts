import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createFrameReader, parseFrame } from "./frames.ts";

/** Bytes that are often line feeds, and where they are cut. */
const cutBytes = fc.array(fc.oneof(fc.constant(10), fc.nat(255)), { maxLength: 300 }).chain((bytes) =>
  fc.record({
    bytes: fc.constant(Buffer.from(bytes)),
    cuts: fc
      .array(fc.nat(bytes.length), { maxLength: 40 })
      .map((cuts) => [...cuts, bytes.length].sort((a, b) => a - b)),
  }),
);

const chunksOf = (bytes: Buffer, cuts: readonly number[]): Buffer[] =>
  cuts.map((cut, i) => bytes.subarray(cuts[i - 1] ?? 0, cut));

/** What the lines of these bytes are, told in another way: latin1 keeps each byte. */
const linesOf = (bytes: Buffer): string[] => bytes.toString("latin1").match(/[^\n]*\n/g) ?? [];

function read(bytes: Buffer, cuts: readonly number[], maxFrameBytes: number) {
  const oversize: Buffer[] = [];
  let frames = 0;
  const reader = createFrameReader(maxFrameBytes, (part, first) => {
    oversize.push(part);
    if (first) frames += 1;
  });
  const lines = chunksOf(bytes, cuts).flatMap((chunk) => reader.push(chunk));
  return { lines, rest: reader.rest(), oversize: Buffer.concat(oversize), oversizeFrames: frames };
}

describe("lines out of chunks", () => {
  test("are the same however the bytes are cut", () => {
    fc.assert(
      fc.property(cutBytes, ({ bytes, cuts }) => {
        const { lines, rest, oversize } = read(bytes, cuts, bytes.length + 1);
        expect(lines.map((line) => line.toString("latin1"))).toEqual(linesOf(bytes));
        expect(Buffer.concat([...lines, rest])).toEqual(bytes);
        expect(oversize).toHaveLength(0);
      }),
    );
  });

  test("leave out those over the bound, whose every byte is handed over", () => {
    fc.assert(
      fc.property(cutBytes, fc.integer({ min: 1, max: 20 }), ({ bytes, cuts }, bound) => {
        const { lines, rest, oversize, oversizeFrames } = read(bytes, cuts, bound);
        const all = linesOf(bytes);
        const last = bytes.subarray(all.join("").length);
        const over = all.filter((line) => line.length > bound);
        expect(lines.map((line) => line.toString("latin1"))).toEqual(all.filter((line) => line.length <= bound));
        expect(rest.length).toBe(last.length > bound ? 0 : last.length);
        expect(oversizeFrames).toBe(over.length + (last.length > bound ? 1 : 0));
        expect(oversize.length).toBe(over.join("").length + (last.length > bound ? last.length : 0));
      }),
    );
  });

  test("hold no more than the bound, whatever comes", () => {
    let handed = 0;
    const bound = 1024 * 1024;
    const reader = createFrameReader(bound, (part) => {
      handed += part.length;
    });
    const chunk = Buffer.alloc(65_536, "x");
    let given = 0;
    for (let i = 0; i < 1_000; i += 1) {
      expect(reader.push(chunk)).toEqual([]);
      given += chunk.length;
      expect(given - handed).toBeLessThanOrEqual(bound);
    }
    expect(reader.push(Buffer.from('x\n{"a":1}\n')).map(String)).toEqual(['{"a":1}\n']); // and goes on with the next line
  });

  test("are parsed as the text that they are, cut inside characters or not", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.array(fc.nat(), { maxLength: 20 }), (value, at) => {
        const bytes = Buffer.from(`${JSON.stringify(value)}\r\n`);
        const cuts = [...at.map((n) => n % bytes.length), bytes.length].sort((a, b) => a - b);
        const { lines } = read(bytes, cuts, bytes.length);
        expect(lines.map(parseFrame)).toEqual([JSON.parse(JSON.stringify(value)) ?? []]);
      }),
    );
  });

  test.each([
    ["a number that is none", '{"a":[NaN,-Infinity],"b":"NaN \\" Infinity"}', { a: [null, null], b: 'NaN " Infinity' }],
    ["two messages joined by a carriage return", '{"id":1}\r{"id":2}\r\n', [{ id: 1 }, { id: 2 }]],
    ["nothing", " \r\n", []],
    ["null", "null\n", []],
  ])("say what the laxest reader would read: %s", (_, text, said) => {
    expect(parseFrame(Buffer.from(text))).toEqual(said);
  });

  test.each(["Server listening\n", '{"a":', "\x00\xff\n"])("are no frames where they are no JSON: %j", (text) => {
    expect(parseFrame(Buffer.from(text, "latin1"))).toBeUndefined();
  });
});
