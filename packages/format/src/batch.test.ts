import { generateKeyPairSync } from "node:crypto";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  checkSeal,
  type Envelope,
  firstPrev,
  headersHash,
  identityOf,
  maxBodyBytes,
  maxEnvelopeBytes,
  maxPackedBytes,
  open,
  recordLine,
  seal,
} from "./batch.ts";
import { canonical } from "./canonical.ts";
import { parseRecordId, pseudonym, recordId } from "./ids.ts";
import { type LifecycleRecord, recordSchema } from "./record.ts";

/** The canonical text of a line's value; of one that has none, nothing that is a line. */
function canonicalOr(line: string): string {
  try {
    return canonical(JSON.parse(line));
  } catch {
    return "\n";
  }
}
const pem = (): string => generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }).toString();
const identity = identityOf(pem(), new Uint8Array(16).fill(1));
const record: LifecycleRecord = { schema: recordSchema, kind: "lifecycle", at: 1_000, event: "started" };
const lines = [recordLine(record), recordLine({ ...record, at: 2_000, event: "alive" })];
const sealed = (): Promise<Envelope> =>
  seal(
    identity,
    { seq: 0, prev: firstPrev, server: { id: "s" } },
    lines,
    { first: 1_000, last: 2_000 },
    { principals: {} },
  );

describe("a sealed batch", () => {
  test("opens to the very records that were sealed", async () => {
    const envelope = await sealed();
    expect(checkSeal(envelope)).toBeUndefined();
    const records = lines.map((line) => JSON.parse(line));
    expect(open(envelope.headers, envelope.body)).toEqual({ lines, records });
  });

  test("is the same bytes each time: resealing after a crash makes the same batch", async () => {
    expect(await sealed()).toEqual(await sealed());
  });

  test("every flipped bit of headers, signature, body and sides is noticed", async () => {
    const envelope = await sealed();
    const texts = {
      sig: envelope.sig,
      body: envelope.body,
      emitter: envelope.headers.emitter,
      prev: envelope.headers.prev,
      key: envelope.headers.key,
    };
    fc.assert(
      fc.property(fc.constantFrom(...(Object.keys(texts) as (keyof typeof texts)[])), fc.nat(), (part, at) => {
        const text = texts[part];
        const i = at % text.replace(/=+$/, "").length;
        const flipped = `${text.slice(0, i)}${text[i] === "b" ? "c" : "b"}${text.slice(i + 1)}`;
        const altered: Envelope =
          part === "sig" || part === "body"
            ? { ...envelope, [part]: flipped }
            : { ...envelope, headers: { ...envelope.headers, [part]: flipped } };
        // The last character of base64 carries unused bits: another spelling of the same signature is the same signature.
        fc.pre(part !== "sig" || !Buffer.from(flipped, "base64").equals(Buffer.from(text, "base64")));
        expect(checkSeal(altered)).toBeDefined();
      }),
    );
    expect(checkSeal({ ...envelope, sides: { principals: { p_x: { issuer: "", subject: "mallory" } } } })).toBe(
      "sides_altered",
    );
  });

  test("nobody writes in another emitter's name: the id belongs to key and nonce", async () => {
    const envelope = await sealed();
    const other = identityOf(pem(), new Uint8Array(16).fill(1));
    const forged = await seal(
      { ...other, emitter: identity.emitter },
      { seq: 0, prev: firstPrev, server: { id: "s" } },
      lines,
      { first: 1_000, last: 2_000 },
      { principals: {} },
    );
    expect(checkSeal(forged)).toBe("emitter_mismatch");
    expect(checkSeal({ ...envelope, sig: forged.sig })).toBe("bad_signature");
  });

  test("chains by the hash of its headers", async () => {
    const first = await sealed();
    expect(headersHash(first.headers)).toMatch(/^[0-9a-f]{64}$/);
    expect(headersHash(first.headers)).not.toBe(headersHash({ ...first.headers, count: 3 }));
  });

  test("records that do not compress still fit into an envelope", async () => {
    const noise = Array.from({ length: 40 }, (_, i) => {
      const text = Buffer.from(
        Array.from({ length: 700 }, (_, j) => (i * 7_919 + j * 104_729 + ((i * j) % 251)) % 256),
      ).toString("base64");
      return text.slice(0, maxPackedBytes / 40 - 1);
    });
    const envelope = await seal(
      identity,
      { seq: 0, prev: firstPrev, server: { id: "s".repeat(256) } },
      noise,
      { first: 0, last: 0 },
      { principals: {} },
    );
    expect(Buffer.byteLength(JSON.stringify(envelope))).toBeLessThanOrEqual(maxEnvelopeBytes);
  });
});

describe("a hostile body", () => {
  const body = (text: string): string => gzipSync(text).toString("base64");
  test.each([
    ["that is no gzip", Buffer.from("plain").toString("base64"), 1, "body_unreadable"],
    ["that inflates without end", body("x".repeat(maxBodyBytes + 1)), 1, "body_unreadable"],
    ["whose last line has no end", body('{"a":1}'), 1, "body_unreadable"],
    ["with more records than it says", body('{"a":1}\n{"a":1}\n'), 1, "count_wrong"],
    ["that is not canonical", body('{"b":1,"a":1}\n'), 1, "not_canonical"],
    ["that is not JSON", body("{\n"), 1, "not_canonical"],
    ["with a member that readers do not see", body('{"__proto__":{"a":1}}\n'), 1, "not_canonical"],
    ["that is no UTF-8", gzipSync(Buffer.from([0x22, 0xff, 0x22, 0x0a])).toString("base64"), 1, "body_unreadable"],
  ])("%s is refused", (_, text, count, fault) => {
    expect(open({ count }, text)).toEqual({ fault });
  });

  test("a line is taken just where it is the canonical text of its value", () => {
    const lines = fc.json({ stringUnit: "binary" }).chain((text) => fc.constantFrom(text, canonicalOr(text)));
    fc.assert(
      fc.property(lines, (line) => {
        const taken = line === canonicalOr(line) && !line.includes('"__proto__":'); // which no record has
        const fault = taken ? undefined : "not_canonical";
        const opened = open({ count: 1 }, body(`${line}\n`));
        expect("fault" in opened ? opened.fault : undefined).toBe(fault);
      }),
    );
  });

  test.each([
    ['{"10":1,"9":1}', true],
    ['{"9":1,"10":1}', false],
    ['{"a":1,"a":1}', false],
    ['{"a":"\\ud800"}', false],
    ['{"a":1.0}', false],
    [`${"[".repeat(40)}${"]".repeat(40)}`, true],
    [`${"[".repeat(40)}{"b":1,"a":1}${"]".repeat(40)}`, false],
  ])("the line %s is canonical: %s", (line, canonical) => {
    expect("records" in open({ count: 1 }, body(`${line}\n`))).toBe(canonical);
  });
});

describe("ids", () => {
  test("a record's id tells its place", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat({ max: 999 }), (seq, index) => {
        const place = { emitter: identity.emitter, seq, index };
        expect(parseRecordId(recordId(place))).toEqual(place);
      }),
    );
  });

  test.each([
    "",
    "rec_",
    "rec_x_0_0",
    `rec_${"a".repeat(26)}_01_0`,
    `rec_${"a".repeat(26)}_-1_0`,
    `rec_${"a".repeat(26)}_0_0x`,
  ])("%j is no record id", (id) => {
    expect(parseRecordId(id)).toBeUndefined();
  });

  test("a pseudonym depends on key, issuer and subject, and on where one ends and the other begins", () => {
    const key = new Uint8Array(32);
    const refs = [
      pseudonym(key, "a", "bc"),
      pseudonym(key, "ab", "c"),
      pseudonym(key, "", "abc"),
      pseudonym(new Uint8Array(32).fill(1), "a", "bc"),
    ];
    expect(new Set(refs).size).toBe(4);
    expect(pseudonym(key, "a", "bc")).toBe(refs[0]);
  });
});
