import { createPublicKey, verify } from "node:crypto";
import type { Head } from "@tooltrail/core/log/ports";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { adapterSets, type OpenPorts } from "../support/adapters.ts";
import { anIdentity } from "../support/batches.ts";

describe.each(adapterSets)("the log's ports on %s", (_, open) => {
  let ports: OpenPorts;
  beforeEach(async () => {
    ports = await open();
  });
  afterEach(() => ports.close());

  const bytes = (text: string): Uint8Array => Buffer.from(text);
  const text = (found: Uint8Array | undefined): string | undefined => found && Buffer.from(found).toString();
  const isTrue = (answer: boolean): boolean => answer;

  describe("a register", () => {
    test("is empty, then holds what was written last, also for another process", async () => {
      expect(await ports.head.read()).toBeUndefined();
      expect(await ports.head.write({ size: 1 }, undefined)).toBe(true);
      const first = await ports.head.read();
      expect(first?.value).toEqual({ size: 1 });
      const staged = { name: "staged/00", sha256: "00" };
      expect(await ports.head.write({ size: 1, staged }, first?.version)).toBe(true);
      ports = ports.reopen();
      const second = await ports.head.read();
      expect(second?.value).toEqual({ size: 1, staged });
      expect(second?.version).toBeGreaterThan(first?.version ?? 0);
    });

    test("is not written over by whoever has read something else, or nothing", async () => {
      expect(await ports.head.write({ size: 1 }, 7)).toBe(false);
      await ports.head.write({ size: 1 }, undefined);
      const { version = 0 } = (await ports.head.read()) ?? {};
      await ports.head.write({ size: 2 }, version);
      for (const stale of [undefined, version, version + 5])
        expect(await ports.head.write({ size: 9 }, stale)).toBe(false);
      expect((await ports.head.read())?.value).toEqual({ size: 2 });
    });

    test("takes one of many writers at once, the first time and every time", async () => {
      for (let round = 0; round < 3; round += 1) {
        const before = await ports.head.read();
        const values = Array.from({ length: 12 }, (_, n): Head => ({ size: round * 100 + n }));
        const answers = await Promise.all(values.map((value) => ports.head.write(value, before?.version)));
        expect(answers.filter(isTrue)).toHaveLength(1);
        expect((await ports.head.read())?.value).toEqual(values[answers.indexOf(true)]);
      }
    });

    test("is one of several: the signer's is not the sequencer's", async () => {
      await ports.head.write({ size: 1 }, undefined);
      expect(await ports.promised.read()).toBeUndefined();
      expect(await ports.promised.write({ size: 5, root: "x" }, undefined)).toBe(true);
      expect((await ports.head.read())?.value).toEqual({ size: 1 });
    });
  });

  describe("an object", () => {
    test("is put once; whoever comes second is told, and changes nothing", async () => {
      expect(await ports.blobs.read("tile/0/000")).toBeUndefined();
      expect(await ports.blobs.put("tile/0/000", bytes("first"))).toBe("put");
      expect(await ports.blobs.put("tile/0/000", bytes("second"))).toBe("exists");
      ports = ports.reopen();
      expect(text(await ports.blobs.read("tile/0/000"))).toBe("first");
    });

    test("is put by one of many at once, and by then it is whole", async () => {
      const rivals = Array.from({ length: 10 }, (_, n) => bytes(String(n).repeat(50_000)));
      const seen: (string | undefined)[] = [];
      const answers = await Promise.all(
        rivals.map(async (rival) => {
          const answer = await ports.blobs.put("tile/entries/x001/067.p/3", rival);
          seen.push(text(await ports.blobs.read("tile/entries/x001/067.p/3")));
          return answer;
        }),
      );
      expect(answers.filter((answer) => answer === "put")).toHaveLength(1);
      const winner = text(rivals[answers.indexOf("put")]);
      expect(seen.every((found) => found === winner)).toBe(true);
    });

    test("may be empty, and may be any bytes", async () => {
      const all = Uint8Array.from({ length: 256 }, (_, n) => n);
      await ports.blobs.put("staged/aa", all);
      await ports.blobs.put("staged/bb", new Uint8Array(0));
      expect(Buffer.from((await ports.blobs.read("staged/aa")) ?? [])).toEqual(Buffer.from(all));
      expect((await ports.blobs.read("staged/bb"))?.length).toBe(0);
    });

    test("is found by how its name begins, beside partials and among many others, the checkpoint not among them", async () => {
      const names = [
        "tile/0/000.p/1",
        "tile/0/000.p/255",
        "tile/0/000",
        "tile/0/001.p/7",
        "tile/0/x001/000",
        "staged/a",
      ];
      for (const name of names) await ports.blobs.put(name, bytes(name));
      await ports.checkpoints.publish("text", undefined);
      await ports.checkpoints.publishKeys("key");
      const list = async (prefix: string): Promise<string[]> => (await ports.blobs.list(prefix)).sort();
      expect(await list("tile/0/000")).toEqual(["tile/0/000", "tile/0/000.p/1", "tile/0/000.p/255"]);
      expect(await list("tile/0/000.p/")).toEqual(["tile/0/000.p/1", "tile/0/000.p/255"]);
      expect(await list("tile/0/x")).toEqual(["tile/0/x001/000"]);
      expect(await list("tile/1/")).toEqual([]);
      expect(await list("nothing/here/yet")).toEqual([]);
      expect(await list("")).toEqual([...names].sort());
      await Promise.all(Array.from({ length: 25 }, (_, n) => ports.blobs.put(`many/${n}`, bytes("")))); // more than a page, here
      expect(await list("many/")).toHaveLength(25);
    });

    test("that is retired may be gone, and its place is as free as its neighbours are untouched", async () => {
      for (const name of ["tile/0/000.p/1", "tile/0/000.p/2", "tile/0/000"]) await ports.blobs.put(name, bytes(name));
      await ports.blobs.retire(["tile/0/000.p/1", "tile/0/000.p/9", "tile/7/000.p/1"]);
      await ports.blobs.retire(["tile/0/000.p/1"]);
      expect(text(await ports.blobs.read("tile/0/000.p/2"))).toBe("tile/0/000.p/2");
      expect(text(await ports.blobs.read("tile/0/000"))).toBe("tile/0/000");
      await ports.blobs.retire(["tile/0/000.p/2"]);
      await ports.blobs.put("tile/0/000.p/3", bytes("later"));
      expect(text(await ports.blobs.read("tile/0/000.p/3"))).toBe("later");
    });

    test.each(["../", "/", "..", "tile/../", "tile//", "TILE/"])(
      "of which a name begins with %j is none",
      async (prefix) => {
        await ports.blobs.put("tile/0/000", bytes("x"));
        expect(await ports.blobs.list(prefix)).toEqual([]);
      },
    );

    test.each([
      "../escape",
      "tile/../../escape",
      "/etc/passwd",
      "tile//0",
      "checkpoint",
      "",
      ".hidden/x",
      "tile/0/",
      "a/b c",
    ])("is not called %j", async (name) => {
      const refused = { code: "invalid", outcome: "not-applied" };
      await expect(ports.blobs.put(name, bytes("x"))).rejects.toMatchObject(refused);
      await expect(ports.blobs.read(name)).rejects.toMatchObject({ code: "invalid" });
      await expect(ports.blobs.retire([name])).rejects.toMatchObject({ code: "invalid" });
    });
  });

  describe("the checkpoint", () => {
    test("is published over the one that was read, and over no other", async () => {
      expect(await ports.checkpoints.read()).toBeUndefined();
      expect(await ports.checkpoints.publish("one\n", "nothing that ever was")).toBe(false);
      expect(await ports.checkpoints.publish("one\n", undefined)).toBe(true);
      expect(await ports.checkpoints.publish("two\n", undefined)).toBe(false);
      expect(await ports.checkpoints.publish("two — ü\n", "one\n")).toBe(true);
      expect(await ports.checkpoints.publish("three\n", "one\n")).toBe(false);
      ports = ports.reopen();
      expect(await ports.checkpoints.publish("three\n", "one\n")).toBe(false);
      expect(await ports.checkpoints.publish("three\n", "two — ü\n")).toBe(true);
      expect(await ports.checkpoints.read()).toBe("three\n");
    });

    test("that is there already is published", async () => {
      await ports.checkpoints.publish("one", undefined);
      await ports.checkpoints.publish("two", "one");
      expect(await ports.checkpoints.publish("two", "one")).toBe(true);
    });

    test("is published by one of many at once, the first time and every time", async () => {
      let over: string | undefined;
      for (let round = 0; round < 3; round += 1) {
        const texts = Array.from({ length: 10 }, (_, n) => `round ${round}, signer ${n}\n`);
        const answers = await Promise.all(texts.map((one) => ports.checkpoints.publish(one, over)));
        expect(answers.filter(isTrue)).toHaveLength(1);
        over = texts[answers.indexOf(true)];
        expect(await ports.checkpoints.read()).toBe(over);
      }
    });
  });

  describe("the index of batches", () => {
    const place = (seq: number, n = 1) => ({ emitter: anIdentity(n).emitter, seq });

    test("gives first leaves in the order asked, as often as asked, and nothing for what is not there", async () => {
      expect(await ports.index.firstLeaves([])).toEqual([]);
      await ports.index.put([]);
      const entries = Array.from({ length: 130 }, (_, seq) => ({ ...place(seq), firstLeaf: seq * 3 }));
      await ports.index.put([...entries, { ...place(0, 2), firstLeaf: 1_000_000 }]);
      await ports.index.put(entries.slice(0, 2));
      ports = ports.reopen();
      const asked = [place(5), place(0, 2), place(500), place(5), place(0), place(129)];
      expect(await ports.index.firstLeaves(asked)).toEqual([15, 1_000_000, undefined, 15, 0, 387]);
      expect((await ports.index.firstLeaves(entries)).every((leaf, seq) => leaf === seq * 3)).toBe(true);
    });

    test("is set right by putting again", async () => {
      await ports.index.put([{ ...place(0), firstLeaf: 5 }]);
      await ports.index.put([
        { ...place(0), firstLeaf: 6 },
        { ...place(0), firstLeaf: 7 },
      ]);
      expect(await ports.index.firstLeaves([place(0)])).toEqual([7]);
    });
  });

  test("the log's key signs what its public half verifies, and is the same for another process", async () => {
    const { signingKey } = ports;
    const message = Buffer.from("checkpoint\n");
    const jwk = { kty: "OKP", crv: "Ed25519", x: Buffer.from(signingKey.publicKey).toString("base64url") };
    const key = createPublicKey({ key: jwk, format: "jwk" });
    expect(signingKey.publicKey).toHaveLength(32);
    expect(verify(null, message, key, await signingKey.sign(message))).toBe(true);
    ports = ports.reopen();
    expect(verify(null, message, key, await ports.signingKey.sign(message))).toBe(true);
  });
});
