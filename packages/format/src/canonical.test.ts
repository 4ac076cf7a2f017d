import canonicalize from "canonicalize";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonical, hmac, keyedDigest, maxCanonicalBytes, steadyText } from "./canonical.ts";

/** RFC 8785, appendix B: an IEEE 754 double in hex, and its one spelling. */
const numbers: readonly (readonly [string, string])[] = [
  ["0000000000000000", "0"],
  ["8000000000000000", "0"],
  ["0000000000000001", "5e-324"],
  ["8000000000000001", "-5e-324"],
  ["7fefffffffffffff", "1.7976931348623157e+308"],
  ["ffefffffffffffff", "-1.7976931348623157e+308"],
  ["4340000000000000", "9007199254740992"],
  ["c340000000000000", "-9007199254740992"],
  ["4430000000000000", "295147905179352830000"],
  ["44b52d02c7e14af5", "9.999999999999997e+22"],
  ["44b52d02c7e14af6", "1e+23"],
  ["44b52d02c7e14af7", "1.0000000000000001e+23"],
  ["444b1ae4d6e2ef4e", "999999999999999700000"],
  ["444b1ae4d6e2ef4f", "999999999999999900000"],
  ["444b1ae4d6e2ef50", "1e+21"],
  ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"],
  ["3eb0c6f7a0b5ed8d", "0.000001"],
  ["41b3de4355555553", "333333333.3333332"],
  ["41b3de4355555554", "333333333.33333325"],
  ["41b3de4355555555", "333333333.3333333"],
  ["41b3de4355555556", "333333333.3333334"],
  ["41b3de4355555557", "333333333.33333343"],
  ["becbf647612f3696", "-0.0000033333333333333333"],
  ["43143ff3c1cb0959", "1424953923781206.2"],
];

describe("RFC 8785", () => {
  test.each(numbers)("the double %s is written %s", (hex, text) => {
    expect(canonical(Buffer.from(hex, "hex").readDoubleBE())).toBe(text);
  });

  test.each(["7fffffffffffffff", "7ff0000000000000"])("the double %s has no canonical bytes", (hex) => {
    expect(() => canonical(Buffer.from(hex, "hex").readDoubleBE())).toThrow();
  });

  test("members are sorted by UTF-16 code units (section 3.2.3)", () => {
    const keys = ["\u20ac", "\r", "\ufb33", "1", "\ud83d\ude00", "\u0080", "\u00f6"];
    const sorted = JSON.parse(canonical(Object.fromEntries(keys.map((key) => [key, 0]))));
    // JSON.parse would put "1" first, which here is not its place but the second.
    expect(Object.keys(sorted).sort()).toEqual(["\r", "1", "\u0080", "\u00f6", "\u20ac", "\ud83d\ude00", "\ufb33"]);
    const text = canonical(Object.fromEntries(keys.map((key) => [key, 0])));
    expect(text.indexOf("\\r")).toBeLessThan(text.indexOf('"1"'));
    expect(text.indexOf("\ud83d\ude00")).toBeLessThan(text.indexOf("\ufb33"));
  });

  test("the RFC's sample (section 3.2.2)", () => {
    const sample = String.raw`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`;
    expect(canonical(JSON.parse(sample))).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    );
  });

  test("the short way to it and the long one come to the same, for whatever there is", () => {
    const data = fc.json({ stringUnit: "binary" }).map((text): unknown => JSON.parse(text));
    const keys = fc.constantFrom("", "0", "10", "9", "a", "aa", "Z", "__proto__", "toJSON", "\ud800", "\ufb33", "😀");
    const named = fc
      .array(fc.tuple(keys, data))
      .map((members) => JSON.parse(`{${members.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`)}}`));
    const anything = fc.anything({ withDate: true, withBoxedValues: true, withNullPrototype: true, withBigInt: true });
    fc.assert(
      fc.property(fc.oneof(data, named, anything), (value) => {
        const [short, long] = [canonical, canonicalize].map((make) => orElse(() => make(value), undefined));
        expect(short).toBe(long);
      }),
      { numRuns: 2_000 },
    );
  });

  test("canonical text is a fixed point, whatever the order of members", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        fc.pre(JSON.stringify(value).isWellFormed() && steadyText(value) === orElse(() => canonical(value), undefined));
        expect(canonical(JSON.parse(canonical(value)))).toBe(canonical(value));
      }),
    );
  });
});

function orElse<T>(make: () => T, otherwise: T): T {
  try {
    return make();
  } catch {
    return otherwise;
  }
}

describe("keyed digests", () => {
  const key = new Uint8Array(32).fill(7);

  test("do not depend on the order of members or on how a number was written", () => {
    expect(keyedDigest(key, JSON.parse('{"a":1.0,"b":[true]}'))).toEqual(
      keyedDigest(key, JSON.parse('{"b":[true],"a":1}')),
    );
  });

  test("differ by value and by key", () => {
    const one = keyedDigest(key, { a: 1 }).digest;
    expect(keyedDigest(key, { a: 2 }).digest).not.toBe(one);
    expect(keyedDigest(new Uint8Array(32).fill(8), { a: 1 }).digest).not.toBe(one);
  });

  const digestOf = (text: string) => `hmac-sha256:${hmac(key, text).toString("hex")}`;

  test("are of the canonical text, whoever has the plain one at hand", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const value: unknown = JSON.parse(text);
        const known = keyedDigest(key, value);
        expect(known.digest).toBe(digestOf(orElse(() => canonicalize(value), undefined) ?? JSON.stringify(value)));
        expect(known.bytes).toBe(Buffer.byteLength(JSON.stringify(value)));
        expect(keyedDigest(key, value, JSON.stringify(value))).toEqual(known);
      }),
    );
  });

  test.each([
    ["as large as may be, are of the canonical text", 0, (text: string) => canonicalize(JSON.parse(text)) ?? ""],
    ["larger by a byte, are of the text as it was sent", 1, (text: string) => text],
  ])("of a value that is %s", (_, more, spelled) => {
    const frame = '{"b":"","a":"é"}';
    const text = `{"b":"${"x".repeat(maxCanonicalBytes - Buffer.byteLength(frame) + more)}","a":"é"}`;
    const expected = { digest: digestOf(spelled(text)), bytes: maxCanonicalBytes + more };
    expect(keyedDigest(key, JSON.parse(text))).toEqual(expected);
    expect(keyedDigest(key, JSON.parse(text), text)).toEqual(expected);
  });

  test("are total on parsed JSON, lone surrogates included", () => {
    expect(keyedDigest(key, JSON.parse(String.raw`{"a":"\ud800"}`)).digest).toMatch(/^hmac-sha256:[0-9a-f]{64}$/);
    fc.assert(fc.property(fc.jsonValue(), (value) => keyedDigest(key, JSON.parse(JSON.stringify(value))).bytes > 0));
  });
});
