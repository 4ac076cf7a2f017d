import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addCheckpointText,
  checkpointBody,
  cosignature,
  cosignedMessage,
  fromBase64,
  hashLeaf,
  LogFormatError,
  logSignature,
  noteText,
  openCheckpoint,
  parseAddCheckpoint,
  parseCheckpointBody,
  parseLeaf,
  parseNote,
  parsePolicy,
  parseReceipt,
  parseSignatures,
  parseVkey,
  receiptText,
  signatureLine,
  toBase64,
  type VerifierKey,
  verifierKey,
  verifyNote,
  vkeyText,
} from "./index.ts";

interface Signer {
  readonly key: VerifierKey;
  readonly privateKey: KeyObject;
}

function aSigner(name: string, type: VerifierKey["type"] = 1): Signer {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(12);
  return { key: verifierKey(name, new Uint8Array(raw), type), privateKey };
}

const signed = ({ key, privateKey }: Signer, body: string) =>
  logSignature(key, sign(null, Buffer.from(body), privateKey));
const cosigned = ({ key, privateKey }: Signer, atSeconds: number, body: string) =>
  cosignature(key, atSeconds, sign(null, cosignedMessage(atSeconds, body), privateKey));

const log = aSigner("tooltrail.local/0011223344556677");
const witness = aSigner("witness.example/w1", 4);
const stranger = aSigner("stranger.example");
const root = hashLeaf(Uint8Array.of(1));
const body = checkpointBody({ origin: log.key.name, size: 7, root });
const checkpoint = noteText({
  body,
  signatures: [signed(log, body), cosigned(witness, 1_800_000_000, body), signed(stranger, body)],
});
const keys = [log.key, witness.key];

/** The examples of C2SP signed-note. */
describe("published notes", () => {
  const vkey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
  const text = `This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
`;

  test("are verified by their key, and by no other", async () => {
    const key = parseVkey(vkey);
    expect(vkeyText(key)).toBe(vkey);
    expect(await verifyNote(parseNote(text), [key])).toEqual([{ key }]);
    expect(await verifyNote(parseNote(text), [stranger.key])).toEqual([]);
    const altered = parseNote(text.replace("example message", "exampla message"));
    await expect(verifyNote(altered, [key])).rejects.toThrow("signature 1: is not that of example.com/foo");
  });

  test("may have empty lines in what is signed", () => {
    const { body, signatures } = parseNote(`Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
`);
    expect(body).toMatch(/sera\.\n$/);
    expect(signatures).toMatchObject([{ name: "quasimodo.example/salvatore", id: fromBase64("NnugSw==", "id") }]);
  });
});

describe("a note", () => {
  test("is written as it was read", () => expect(noteText(parseNote(checkpoint))).toBe(checkpoint));

  test.each([
    ["", /no signatures/],
    ["text\n", /no signatures/],
    ["text\n\n", /no signatures/],
    [checkpoint.slice(0, -1), /no signatures/],
    [checkpoint.replace("\n", "\r\n"), /control characters/],
    [`\ud800${checkpoint}`, /control characters/],
    [`${body}\n- ${log.key.name} AAAAAAA=\n`, /signature 1: .* is not a dash/],
    [`${body}\n— a+b AAAAAAA=\n`, /signature 1/],
    [`${body}\n— a  AAAAAAA=\n`, /signature 1/],
    [`${body}\n— a AAAAAAA\n`, /signature 1: not base64/],
    [`${body}\n— a AAAAAAB=\n`, /signature 1: not canonical base64/],
    [`${body}\n— a AAAA\n`, /signature 1: 3 bytes/],
    [`${body}\n${"— a AAAAAAA=\n".repeat(101)}`, /more than 100 signatures/],
    [`${"é".repeat(33_000)}\n\n— a AAAAAAA=\n`, /more than 65536 bytes/],
  ])("is not %j", (text, message) => expect(() => parseNote(text)).toThrow(message));

  test("with a hundred signatures is one, and so are a witness's lines alone", () => {
    expect(parseNote(`${body}\n${"— a AAAAAAA=\n".repeat(100)}`).signatures).toHaveLength(100);
    const line = signatureLine(cosigned(witness, 5, body));
    expect(parseSignatures(line + line)).toHaveLength(2);
    expect(() => parseSignatures("")).toThrow(LogFormatError);
    expect(() => parseSignatures("not found\n")).toThrow(LogFormatError);
    expect(() => parseSignatures(`sorry\n\n${line}`)).toThrow(/not signature lines alone/);
  });

  test("is refused where a signature bears a known key's name and id, and is not its", async () => {
    const id = { name: log.key.name, id: log.key.id };
    const good = signed(log, body);
    for (const bytes of [good.bytes.slice(1), Uint8Array.of(...good.bytes, 0), new Uint8Array(64)]) {
      const note = { body, signatures: [good, { ...id, bytes }] };
      await expect(verifyNote(note, keys)).rejects.toThrow("signature 2: is not that of");
    }
  });

  test("passes over keys that share a name or an id with a known one, but not both", async () => {
    const other = aSigner(log.key.name);
    const alike = { ...signed(stranger, body), id: log.key.id };
    const note = { body, signatures: [signed(other, body), alike, signed(log, body)] };
    expect(await verifyNote(note, keys)).toEqual([{ key: log.key }]);
  });

  test("of a key that is no point of the curve verifies nothing", async () => {
    const broken = verifierKey("broken.example", new Uint8Array(32).fill(0xff));
    const note = { body, signatures: [logSignature(broken, new Uint8Array(64))] };
    await expect(verifyNote(note, [broken])).rejects.toThrow(LogFormatError);
  });
});

describe("a verifier key", () => {
  test("is its text again", () => {
    for (const { key } of [log, witness]) expect(parseVkey(vkeyText(key))).toEqual(key);
    const { key } = aSigner("same.example");
    expect(verifierKey("same.example", key.publicKey, 4).id).not.toEqual(key.id);
  });

  test.each([
    ["", /not name, id and key/],
    ["a+b", /not name, id and key/],
    [`${vkeyText(log.key)}\n`, /not name, id and key|not base64/],
    [vkeyText(log.key).replace(/\+[0-9a-f]{8}\+/, "+00000000+"), /the id 00000000 is not that/],
    [`a+00000000+${toBase64(Uint8Array.of(6, 1))}`, /signature type 6 is unknown/],
    [`a+00000000+${toBase64(Uint8Array.of(1, 1))}`, /publicKey: 1 bytes/],
    [`a b+00000000+${toBase64(new Uint8Array(33).fill(1))}`, /name: "a b" cannot be/],
  ])("is not %j", (text, message) => expect(() => parseVkey(text)).toThrow(message));
});

describe("a checkpoint", () => {
  test("says who signed it, and when each witness saw it", async () => {
    const opened = await openCheckpoint(checkpoint, keys);
    expect(opened).toEqual({
      origin: log.key.name,
      size: 7,
      root,
      text: checkpoint,
      body,
      signedBy: [{ key: log.key }, { key: witness.key, atSeconds: 1_800_000_000 }],
    });
  });

  test("cosigned twice by one witness counts once, the last time", async () => {
    const signatures = [signed(log, body), ...[5, 9, 7].map((at) => cosigned(witness, at, body))];
    const { signedBy } = await openCheckpoint(noteText({ body, signatures }), keys);
    expect(signedBy).toEqual([{ key: log.key }, { key: witness.key, atSeconds: 9 }]);
  });

  test("a cosignature holds for its own time only", async () => {
    const line = cosigned(witness, 5, body);
    line.bytes[7] = 6;
    const text = noteText({ body, signatures: [signed(log, body), line] });
    await expect(openCheckpoint(text, keys)).rejects.toThrow("signature 2");
  });

  test("of another log is not believed, though its key is known", async () => {
    const other = checkpointBody({ origin: "other.example", size: 7, root });
    const text = noteText({ body: other, signatures: [signed(log, other), cosigned(witness, 1, other)] });
    await expect(openCheckpoint(text, keys)).rejects.toThrow('no key that is known signed for "other.example"');
    const unsigned = noteText({ body, signatures: [cosigned(witness, 1, body)] });
    await expect(openCheckpoint(unsigned, keys)).rejects.toThrow(/no key that is known signed/);
  });

  test("with any bit of it turned is another one, or none", async () => {
    const bytes = new TextEncoder().encode(noteText({ body, signatures: [signed(log, body)] }));
    let accepted = 0;
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const turned = bytes.slice();
      turned[bit >> 3] = (turned[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const text = new TextDecoder().decode(turned);
      const opened = await openCheckpoint(text, [log.key]).catch((error) => {
        expect(error).toBeInstanceOf(LogFormatError);
      });
      if (opened) accepted += 1;
    }
    expect(accepted).toBe(0);
  });

  test.each([
    [`a b\n7\n${toBase64(root)}\n`, /origin: "a b"/],
    [`\n7\n${toBase64(root)}\n`, /origin: ""/],
    [`log\n07\n${toBase64(root)}\n`, /size: not a number/],
    [`log\n-7\n${toBase64(root)}\n`, /size/],
    [`log\n${2 ** 53}\n${toBase64(root)}\n`, /size/],
    ["log\n7\nAAAA\n", /root: 3 bytes/],
    [`log\n7\n${toBase64(root)}`, /not exactly three lines/],
    [`log\n7\n${toBase64(root)}\nmore\n`, /not exactly three lines/],
  ])("is not %j", (text, message) => expect(() => parseCheckpointBody(text)).toThrow(message));

  test("of the largest log is one", () => {
    const largest = { origin: "log", size: 2 ** 53 - 1, root };
    expect(parseCheckpointBody(checkpointBody(largest))).toEqual(largest);
  });
});

describe("a receipt", () => {
  const receipt = { index: 3, extra: Uint8Array.of(1, 2, 3), proof: [root, hashLeaf(root)], checkpoint };

  test("is what it was written from, with extra data and without", () => {
    const { extra: _, ...bare } = receipt;
    for (const each of [receipt, bare, { ...bare, proof: [] }]) expect(parseReceipt(receiptText(each))).toEqual(each);
    expect(receiptText(receipt)).toMatch(
      /^c2sp\.org\/tlog-proof@v1\nextra AQID\nindex 3\n[^\n]{44}\n[^\n]{44}\n\ntooltrail/,
    );
  });

  const text = receiptText(receipt);
  test.each([
    ["", /no checkpoint/],
    [text.replace("v1", "v2"), /first line/],
    [text.replace("index 3", "index 03"), /index: not a number/],
    [text.replace("index 3\n", ""), /is not the line with it/],
    [text.replace("extra AQID", "extra AQI"), /extra: not base64/],
    [receiptText({ ...receipt, extra: new Uint8Array(65_536) }), /extra: 65536 bytes/],
    [receiptText({ ...receipt, proof: Array(64).fill(root) }), /more than 63 hashes/],
    [text.replace(toBase64(root), "AAAA"), /proof line 1: 3 bytes/],
    [text.slice(0, -1), /no signatures/],
    [text + "x".repeat(300_000), /receipt: more than/],
    [text + "x".repeat(70_000), /checkpoint: more than/],
  ])("is not this: %#", (wrong, message) => expect(() => parseReceipt(wrong)).toThrow(message));
});

describe("a request to a witness", () => {
  test("is what it was written from", () => {
    for (const request of [
      { oldSize: 0, proof: [], checkpoint },
      { oldSize: 5, proof: [root, hashLeaf(root)], checkpoint },
    ])
      expect(parseAddCheckpoint(addCheckpointText(request))).toEqual(request);
  });

  const text = addCheckpointText({ oldSize: 5, proof: [root], checkpoint });
  test.each([
    ["", /no checkpoint/],
    [text.replace("old 5", "5"), /old: "5" is not the line/],
    [text.replace("old 5", "old +5"), /old: not a number/],
    [text.replace(`${toBase64(root)}\n\n`, "x\n\n"), /proof line 1/],
    [addCheckpointText({ oldSize: 5, proof: Array(64).fill(root), checkpoint }), /more than 63/],
    [text + "x".repeat(80_000), /request: more than/],
  ])("is not this: %#", (wrong, message) => expect(() => parseAddCheckpoint(wrong)).toThrow(message));
});

describe("a policy", () => {
  const witnesses = Object.fromEntries(
    ["X1", "X2", "X3", "Y1", "Y2"].map((name) => [name, vkeyText(aSigner(`${name}.example`, 4).key)]),
  );
  const lines = Object.entries(witnesses).map(([name, vkey]) => `witness ${name} ${vkey}`);
  const text = `
# two organisations
log ${vkeyText(log.key)} https://log.example/
${lines.join("\n")}
 witness\tZ ${vkeyText(witness.key)}\thttps://w1.example/
group X-witnesses 2 X1 X2 X3
group Y-witnesses any Y1 Y2
group both all X-witnesses Y-witnesses
quorum both
`;

  test("is satisfied by its quorum, and by nothing less", () => {
    const policy = parsePolicy(text);
    expect(policy.logs).toEqual([log.key]);
    expect(policy.quorum).toBe("both");
    expect(policy.witnesses.at(-1)).toEqual({ name: "Z", key: witness.key, url: "https://w1.example/" });
    expect(policy.witnesses[0]).not.toHaveProperty("url");
    for (const [by, enough] of [
      [["X1", "X3", "Y2"], true],
      [["X1", "X2", "X3", "Y1", "Y2"], true],
      [["X1", "Y1", "Y2", "Z"], false],
      [["X1", "X2", "X3", "Z"], false],
      [["both", "X-witnesses"], false],
      [[], false],
    ] as const)
      expect(policy.satisfied(new Set(by)), by.join()).toBe(enough);
  });

  test("may ask for nobody, or for one", () => {
    expect(parsePolicy("quorum none").satisfied(new Set())).toBe(true);
    const one = parsePolicy(`witness Z ${vkeyText(witness.key)}\nquorum Z\n`);
    expect([one.satisfied(new Set()), one.satisfied(new Set(["Z"]))]).toEqual([false, true]);
  });

  const [x1 = "", x2 = ""] = lines;
  test.each([
    ["", /no quorum line/],
    ["quorum none\nquorum none", /^policy line 2: a second quorum/],
    ["quorum X1", /^policy line 1: "X1" is not defined above/],
    [`${x1}\n${x1.replace("X1", "X9")}\nquorum none`, /^policy line 2: this public key is listed already/],
    [`${x1}\n${x2.replace("X2", "X1")}\nquorum none`, /^policy line 2: the name "X1" is taken/],
    [`${x1.replace("X1", "none")}\nquorum none`, /the name "none" is taken/],
    [`witness W ${vkeyText(log.key)}\nquorum none`, /^policy line 1: a key of type 1, where a witness has 4/],
    [`log ${vkeyText(witness.key)}\nquorum none`, /a key of type 4, where a log has 1/],
    ["witness W nonsense\nquorum none", /^policy line 1: vkey: "nonsense"/],
    [`${x1} ftp://x\nquorum none`, /^policy line 1: url: "ftp:\/\/x"/],
    [`${x1}\ngroup g 2 X1\nquorum g`, /^policy line 2: "2" is none of all, any, 1 to 1/],
    [`${x1}\ngroup g 0 X1\nquorum g`, /"0" is none of/],
    [`${x1}\ngroup g any X1 X1\nquorum g`, /"X1" is a member already/],
    [`${x1}\ngroup g any X1\ngroup h any X1\nquorum g`, /^policy line 3: "X1" is a member already/],
    [`${x1}\ngroup g any none\nquorum g`, /"none" is not defined above/],
    [`group g any g\nquorum g`, /"g" is not defined above/],
    ["group g any\nquorum none", /not group NAME/],
    ["Quorum none", /^policy line 1: "Quorum" is none of log, witness, group, quorum/],
    ["quorum none\r\n", /^policy line 1: has control characters/],
    [`#${"x".repeat(70_000)}`, /policy: more than/],
  ])("is not this: %#", (wrong, message) => expect(() => parsePolicy(wrong)).toThrow(message));
});

/** Whatever comes, it is refused by name or read: nothing else is thrown. */
describe("a parser throws nothing but its own error", () => {
  const valid = {
    note: checkpoint,
    body,
    vkey: vkeyText(log.key),
    receipt: receiptText({ index: 3, extra: Uint8Array.of(1), proof: [root], checkpoint }),
    request: addCheckpointText({ oldSize: 5, proof: [root], checkpoint }),
    policy: `witness Z ${vkeyText(witness.key)} https://w\ngroup g 1 Z\nquorum g\n`,
    lines: signatureLine(signed(log, body)),
  };
  const parsers: { readonly [what in keyof typeof valid]: (text: string) => unknown } = {
    note: parseNote,
    body: parseCheckpointBody,
    vkey: parseVkey,
    receipt: parseReceipt,
    request: parseAddCheckpoint,
    policy: parsePolicy,
    lines: parseSignatures,
  };
  const onlyItsOwn = (act: () => unknown) => {
    try {
      act();
    } catch (error) {
      expect(error).toBeInstanceOf(LogFormatError);
    }
  };

  test.each(Object.keys(valid) as (keyof typeof valid)[])("on any text: %s", (what) => {
    const near = fc
      .tuple(fc.nat(), fc.nat(6), fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("\n", "\n\n", " ", "=", "+")))
      .map(([at, cut, noise]) => {
        const place = at % valid[what].length;
        return valid[what].slice(0, place) + noise + valid[what].slice(place + cut);
      });
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary", maxLength: 300 }), near), (text) =>
        onlyItsOwn(() => parsers[what](text)),
      ),
      { numRuns: 400 },
    );
  });

  test("on any bytes: leaf", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => onlyItsOwn(() => parseLeaf(bytes))));
  });
});
