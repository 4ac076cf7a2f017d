import { createPublicKey, verify } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileBlobs } from "@tooltrail/local/file-blobs";
import { fileCheckpoints } from "@tooltrail/local/file-checkpoints";
import { type FileLogKey, loadLogKeys, rotateLogKey } from "@tooltrail/local/file-log-keys";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { mountTinyDisk } from "../support/tiny-disk.ts";

/** What only the log's files promise. */
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "tooltrail-files-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const bytes = (size: number): Uint8Array => new Uint8Array(size).fill(7);
const logFile = (name: string): string => join(dir, "log", name);

describe("objects", () => {
  test("lie under their own names, readable by this user alone, and survive as well with every write flushed", async () => {
    for (const fsync of [false, true]) {
      const blobs = fileBlobs(dir, fsync);
      expect(await blobs.put(`tile/${Number(fsync)}/x001/067`, bytes(3))).toBe("put");
      expect(await blobs.put(`tile/${Number(fsync)}/x001/067`, bytes(4))).toBe("exists");
      expect(await blobs.put(`tile/${Number(fsync)}/x001/067.p/9`, bytes(4))).toBe("put");
      expect(readFileSync(logFile(`tile/${Number(fsync)}/x001/067`))).toHaveLength(3);
      expect(statSync(logFile(`tile/${Number(fsync)}/x001/067`)).mode & 0o077).toBe(0);
    }
  });

  test("that a killed process had begun are no objects, and are swept at the next start", async () => {
    fileBlobs(dir, false);
    const [unfinished = ""] = readdirSync(join(dir, "log"));
    writeFileSync(logFile(`${unfinished}/half`), bytes(10));
    expect(await fileBlobs(dir, false).list("")).toEqual([]);
    expect(existsSync(logFile(`${unfinished}/half`))).toBe(false);
  });

  test("that this process is writing are not swept by a second reader of the folder", async () => {
    const blobs = fileBlobs(dir, true);
    const puts = Array.from({ length: 20 }, async (_, n) => {
      const answer = blobs.put(`tile/0/${100 + n}`, bytes(100_000));
      fileBlobs(dir, true);
      return answer;
    });
    expect(new Set(await Promise.all(puts))).toEqual(new Set(["put"]));
  });

  test("leave nothing but themselves behind, whoever was first", async () => {
    const blobs = fileBlobs(dir, false);
    await Promise.all(Array.from({ length: 20 }, () => blobs.put("tile/0/000", bytes(10))));
    const left = readdirSync(join(dir, "log"), { recursive: true, withFileTypes: true });
    expect(left.filter((entry) => entry.isFile()).map(({ name }) => name)).toEqual(["000"]);
  });

  test("that are retired are gone, and the folder of a tile's last partial with them; a put meanwhile finds its place", async () => {
    const blobs = fileBlobs(dir, true);
    await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        await blobs.put(`tile/0/000.p/${(n % 5) + 1}`, bytes(1));
        await blobs.retire([`tile/0/000.p/${(n % 5) + 1}`]);
      }),
    );
    expect(existsSync(logFile("tile/0/000.p"))).toBe(false);
    expect(await blobs.put("tile/0/000.p/6", bytes(1))).toBe("put");
  });

  test("are not read from where somebody lets a folder stand", async () => {
    mkdirSync(logFile("tile/0/000"), { recursive: true });
    expect(await fileBlobs(dir, false).read("tile/0/000")).toBeUndefined();
  });
});

test("a full disk is an error to come back with, nothing is half there, and what was published stays", async (context) => {
  const disk = mountTinyDisk(join(dir, "disk"), 256);
  if ("skipped" in disk) return context.skip(disk.skipped);
  const data = join(dir, "disk");
  try {
    const blobs = fileBlobs(data, true);
    const checkpoints = fileCheckpoints(data, true);
    await blobs.put("tile/0/000", bytes(100_000));
    await checkpoints.publish("one\n", undefined);
    const full = { code: "storage_full", retryable: true, outcome: "not-applied" };
    await expect(blobs.put("tile/0/001", bytes(300_000))).rejects.toMatchObject(full);
    await expect(checkpoints.publish("x".repeat(300_000), "one\n")).rejects.toMatchObject(full);
    expect(await blobs.list("")).toEqual(["tile/0/000"]);
    expect(await blobs.read("tile/0/001")).toBeUndefined();
    expect(await checkpoints.read()).toBe("one\n");
    // What failed has given its room back.
    expect(await blobs.put("tile/0/001", bytes(50_000))).toBe("put");
    expect(await checkpoints.publish("two\n", "one\n")).toBe(true);
  } finally {
    disk.unmount();
  }
});

describe("the log's keys", () => {
  const path = (): string => join(dir, "log-keys.json");
  const load = () => loadLogKeys(dir);
  const publicKeys = (keys: readonly FileLogKey[]): string[] =>
    keys.map(({ publicKey }) => Buffer.from(publicKey).toString("base64"));

  test("are made once, with a name of the log's own, for this user alone", async () => {
    const first = load();
    expect(first.origin).toMatch(/^tooltrail\.local\/[0-9a-f]{16}$/);
    expect(first.keys).toHaveLength(1);
    expect(load().origin).toBe(first.origin);
    expect(publicKeys(load().keys)).toEqual(publicKeys(first.keys));
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    const [key] = first.keys;
    const jwk = { kty: "OKP", crv: "Ed25519", x: Buffer.from(key?.publicKey ?? []).toString("base64url") };
    const signature = await key?.sign(Buffer.from("text"));
    const sound = verify(
      null,
      Buffer.from("text"),
      createPublicKey({ key: jwk, format: "jwk" }),
      signature ?? bytes(64),
    );
    expect(sound).toBe(true);
  });

  test("rotate: the new one comes first, the former signs until its time, and whose time is over is forgotten", () => {
    const { origin, keys: before } = load();
    const once = rotateLogKey(dir, { nowMs: 1_000, untilMs: 5_000 });
    expect(once.origin).toBe(origin);
    expect(once.keys.map(({ untilMs }) => untilMs)).toEqual([undefined, 5_000]);
    expect(publicKeys(once.keys)[1]).toBe(publicKeys(before)[0]);
    const twice = rotateLogKey(dir, { nowMs: 2_000, untilMs: 3_000 });
    expect(twice.keys.map(({ untilMs }) => untilMs)).toEqual([undefined, 3_000, 5_000]); // as long as was said, no more and no less
    const later = rotateLogKey(dir, { nowMs: 5_000, untilMs: 9_000 });
    expect(later.keys.map(({ untilMs }) => untilMs)).toEqual([undefined, 9_000]);
    expect(publicKeys(later.keys)).toEqual(publicKeys(load().keys));
    expect(new Set([...publicKeys(before), ...publicKeys(twice.keys), ...publicKeys(later.keys)]).size).toBe(4);
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    expect(readdirSync(dir)).toEqual(["log-keys.json"]);
  });

  test("are not rotated where there are none", () => {
    expect(() => rotateLogKey(dir, { nowMs: 1, untilMs: 2 })).toThrow(/no data folder of a pipeline/);
    expect(readdirSync(dir)).toEqual([]);
  });

  test("are not rotated by two at once, nor after one was killed until a person has looked", () => {
    load();
    writeFileSync(`${path()}.next`, "");
    expect(() => rotateLogKey(dir, { nowMs: 1, untilMs: 2 })).toThrow(/log-keys\.json\.next/);
    rmSync(`${path()}.next`);
    expect(rotateLogKey(dir, { nowMs: 1, untilMs: 2 }).keys).toHaveLength(2);
  });

  test("that others may read are not used", () => {
    load();
    chmodSync(path(), 0o644);
    expect(load).toThrow(/must belong to this user alone/);
  });

  test.each([
    ["{", /is not a JSON object/],
    ["[]", /origin must be/],
    [{ origin: "two words", keys: [] }, /origin must be/],
    [{ origin: "a", keys: [] }, /keys must be a list/],
    [{ origin: "a", keys: [null] }, /keys\[0\]\.pem is not/],
    [{ origin: "a", keys: [{ pem: "secret-text" }] }, /keys\[0\]\.pem is not/],
  ])("that are not what they must be are named, and not quoted: %j", (content, message) => {
    writeFileSync(path(), typeof content === "string" ? content : JSON.stringify(content), { mode: 0o600 });
    expect(load).toThrow(message);
    expect(load).not.toThrow(/secret-text/);
  });

  test("of which the current one has an end, or a former one an odd one, are refused", () => {
    load();
    const stored = JSON.parse(readFileSync(path(), "utf8"));
    const [key] = stored.keys;
    for (const keys of [[{ ...key, untilMs: 5 }], [key, { ...key, untilMs: "soon" }]]) {
      writeFileSync(path(), JSON.stringify({ ...stored, keys }), { mode: 0o600 });
      expect(load).toThrow(/untilMs must be/);
    }
  });
});
