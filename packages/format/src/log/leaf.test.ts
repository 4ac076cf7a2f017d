import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonical } from "../canonical.ts";
import { type LeafBatch, LogFormatError, leafBytes, parseLeaf } from "./index.ts";

const batch: LeafBatch = {
  headers: {
    emitter: "e".repeat(26),
    seq: 4,
    server: { id: "files", version: "2.0.1", environment: "production" },
    count: 3,
    key: "k".repeat(43),
  },
  identity: "ab".repeat(32),
  receivedAtMs: 1_800_000_000_500,
  account: "000000000000",
};
const line = canonical({
  schema: "tooltrail.record/1",
  kind: "call",
  tool: "écho",
  nested: { record: { schema: "x" } },
});
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("a leaf", () => {
  test("is canonical JSON around the record's line", () => {
    const text = textOf(leafBytes({ batch, index: 2, line }));
    expect(text).toContain(`"record":${line},`);
    expect(text).toBe(canonical(JSON.parse(text)));
    expect(Object.keys(JSON.parse(text))).toEqual([
      "account",
      "batch",
      "count",
      "emitter",
      "index",
      "key",
      "receivedAtMs",
      "record",
      "schema",
      "seq",
      "server",
    ]);
  });

  test("is read as what it was made of", () => {
    const { key: _, ...plain } = batch.headers;
    const plainBatch = { ...batch, headers: { ...plain, server: { id: "files" } } };
    for (const each of [batch, plainBatch]) {
      const { headers, identity, ...rest } = each;
      const leaf = parseLeaf(leafBytes({ batch: each, index: 2, line }));
      expect(leaf).toEqual({ ...rest, ...headers, batch: identity, index: 2, line, record: JSON.parse(line) });
    }
  });

  test("comes back whatever the names and the record are", () => {
    const text = fc.string({ unit: "grapheme" });
    fc.assert(
      fc.property(text, text, text, fc.jsonValue(), (account, id, version, value) => {
        const odd = { ...batch, account, headers: { ...batch.headers, server: { id, version } } };
        const record = canonical({ schema: "s", value: [value, `,"schema":"tooltrail.leaf/1","seq":9`, `"record":`] });
        const bytes = leafBytes({ batch: odd, index: 0, line: record });
        expect(textOf(bytes)).toBe(canonical(JSON.parse(textOf(bytes))));
        expect(parseLeaf(bytes)).toMatchObject({ account, server: { id, version }, line: record });
      }),
    );
  });

  test("is not confused by a record that looks like a leaf", () => {
    const leaf = textOf(leafBytes({ batch, index: 0, line }));
    const within = `{"a":${leaf},"schema":"tooltrail.leaf/1","seq":0,"server":{"id":"x"}}`;
    expect(parseLeaf(leafBytes({ batch, index: 1, line: within }))).toMatchObject({ line: within, seq: 4, index: 1 });
  });

  const good = textOf(leafBytes({ batch, index: 2, line }));
  test.each([
    ["", /leaf: does not begin as one/],
    ["{}", /leaf: does not begin as one/],
    [good.slice(0, -1), /leaf: not JSON/],
    [`${good} `, /leaf: not canonical/],
    [good.replace('"count":3', '"count":"3"'), /count: not a number/],
    [good.replace('"count":3', '"count":2'), /index: 2 is not below count, 2/],
    [good.replace('"count":3', '"count":03'), /leaf: not JSON/],
    [good.replace('"count":3', '"count":3,"count":3'), /leaf: not canonical/],
    [good.replace('"count":3', '"count":3,"extra":1'), /leaf: not canonical/],
    [good.replace('"index":2', '"index":-2'), /leaf: does not begin/],
    [good.replace('"index":2', '"index":'), /leaf: does not begin/],
    [good.replace('"index":2', '"index":02'), /leaf: not JSON/],
    [good.replace('"emitter":"e', '"emitter":"\\u0065'), /leaf: not canonical/],
    [good.replace('"account":"000000000000"', '"account":7'), /account: not a text/],
    [good.replace(`"key":"${"k".repeat(43)}"`, '"key":1'), /key: not a text/],
    [good.replace("tooltrail.leaf/1", "tooltrail.leaf/2"), /schema: missing/],
    [good.replace('"seq":4', '"seq":4.5'), /seq: not a number/],
    [good.replace('"id":"files"', '"id":1'), /id: not a text/],
    [good.replace(/"server":.*$/, '"server":[]}'), /server: not an object/],
    [good.replace('"id":"files"', '"id":"files","x":"y"'), /leaf: not canonical/],
    [good.replace(line, "[]"), /record: not an object/],
    [good.replace(line, `${line},"record":${line}`), /record: not JSON/],
    [good.replace(line, "{}"), /record.schema: not a text/],
  ])("is not this: %#", (text, message) => {
    expect(() => parseLeaf(bytesOf(text))).toThrow(LogFormatError);
    parseLeaf(bytesOf(good)); // of the same batch, so that what is remembered of it is put to use
    expect(() => parseLeaf(bytesOf(text))).toThrow(message);
  });

  test("is not what is no UTF-8, begins with a byte order mark, or is more than a bundle takes", () => {
    expect(() => parseLeaf(Uint8Array.of(0xff))).toThrow("leaf: not UTF-8");
    expect(() => parseLeaf(bytesOf(`\ufeff${good}`))).toThrow(LogFormatError);
    expect(() => leafBytes({ batch, index: 0, line: `"${"x".repeat(65_535)}"` })).toThrow(/record: its leaf has/);
  });

  test("with any bit turned, is another leaf or none: never the same one", () => {
    const bytes = bytesOf(good);
    const same = parseLeaf(bytes);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const turned = bytes.slice();
      turned[bit >> 3] = (turned[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      try {
        expect(parseLeaf(turned)).not.toEqual(same);
      } catch (error) {
        if (!(error instanceof LogFormatError)) throw error;
      }
    }
  });
});
