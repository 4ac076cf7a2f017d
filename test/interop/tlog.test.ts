import { spawnSync } from "node:child_process";
import { sign } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type AuditRecord, bodyLines } from "@tooltrail/format";
import {
  checkpointBody,
  consistencyProof,
  cosignature,
  cosignedMessage,
  inclusionProof,
  leafBytes,
  logSignature,
  noteText,
  rootOf,
  toBase64,
  verifiedTiles,
  verifierKey,
  vkeyText,
} from "@tooltrail/format/log";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aCall, anIdentity, aStoredBatch } from "../support/batches.ts";
import { grownTree } from "../support/grown-tree.ts";
import { root } from "../support/pipeline.ts";
import { needs } from "../support/requirements.ts";

const scratch = mkdtempSync(join(tmpdir(), "tooltrail-tlog-"));
const checker = join(scratch, "check");
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Fetches golang.org/x/mod the first time. */
const built = spawnSync("go", ["build", "-o", checker, "."], { cwd: join(root, "test/interop/go"), encoding: "utf8" });
const there = needs(`Go with golang.org/x/mod (${built.stderr || built.error?.message})`, built.status === 0);

/** What Go's libraries make of a log's folder. */
function check(folder: string): { sound: boolean; said: string } {
  const { status, stdout, stderr } = spawnSync(checker, [folder], { encoding: "utf8" });
  return { sound: status === 0, said: (stdout + stderr).trim() };
}

/** Leaves of real batches: calls and intents, 50 a batch, of three emitters. */
async function leavesOf(count: number): Promise<Uint8Array[]> {
  const leaves: Uint8Array[] = [];
  for (let seq = 0; leaves.length < count; seq += 1) {
    const records = Array.from({ length: Math.min(50, count - leaves.length) }, (_, at): AuditRecord => {
      const {
        outcome: _outcome,
        final: _final,
        durationUs: _duration,
        ...begun
      } = aCall({ at: 1_800_000_000_000 + at });
      return at % 7 === 0 ? { ...begun, kind: "intent" } : aCall({ durationUs: seq * 100 + at, tool: `tool-é-${at}` });
    });
    const batch = await aStoredBatch({ seq, records, identity: anIdentity(1 + (seq % 3)) }, 1_800_000_000_500 + seq);
    for (const [index, line] of (bodyLines(batch.body) ?? []).entries()) leaves.push(leafBytes({ batch, index, line }));
  }
  return leaves;
}

describe.skipIf(!there)("Go's tlog and note accept what we write", () => {
  const size = 1_337;
  const folder = join(scratch, "log");

  beforeAll(async () => {
    const leaves = await leavesOf(size);
    const tree = await grownTree(leaves, [1, 100, 155, 44, 700]);
    for (const [name, bytes] of tree.objects) put(name, bytes);

    const [log, witness] = [anIdentity(10), anIdentity(11)];
    const logKey = verifierKey("tooltrail.example/log", new Uint8Array(Buffer.from(log.key, "base64url")));
    const witnessKey = verifierKey("witness.example/w1", new Uint8Array(Buffer.from(witness.key, "base64url")), 4);
    const body = checkpointBody({ origin: logKey.name, size, root: tree.root });
    const atSeconds = 1_800_000_001;
    const signatures = [
      logSignature(logKey, sign(null, Buffer.from(body), log.privateKey)),
      cosignature(witnessKey, atSeconds, sign(null, cosignedMessage(atSeconds, body), witness.privateKey)),
    ];
    put("checkpoint", noteText({ body, signatures }));
    put("vkey", `${vkeyText(logKey)}\n`);
    put("witness.vkey", `${vkeyText(witnessKey)}\n`);

    const inclusion = [];
    for (let index = 0; index < size; index += 1) {
      const proof = await inclusionProof(index, size, tree.read);
      inclusion.push({ index, leaf: toBase64(leaves[index] as Uint8Array), proof: proof.map(toBase64) });
    }
    const consistency = [];
    const read = verifiedTiles(size, tree.root, tree.read); // cuts older trees from this one's tiles
    const sizes = [1, 2, 3, 7, 100, 255, 256, 257, 299, 300, 512, 767, 1_000, 1_024, 1_336, size];
    for (const [at, newer] of sizes.entries()) {
      for (const older of sizes.slice(0, at + 1)) {
        const [oldRoot, newRoot] = [await rootOf(older, read), await rootOf(newer, read)].map(toBase64);
        const proof = (await consistencyProof(older, newer, read)).map(toBase64);
        consistency.push({ oldSize: older, oldRoot, size: newer, root: newRoot, proof });
      }
    }
    put("proofs.json", JSON.stringify({ inclusion, consistency }));
  });

  function put(name: string, content: string | Uint8Array): void {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }

  test("checkpoint, witness, entries, every tile, inclusion and consistency proofs", () => {
    expect(check(folder)).toEqual({
      sound: true,
      said: "1337 leaves, 7 tiles, 1337 inclusion proofs, 136 consistency proofs",
    });
  });

  test.each([
    ["checkpoint", /checkpoint: invalid signature/, (text: string) => text.replace("\n1337\n", "\n1336\n")],
    ["checkpoint", /checkpoint: invalid signature/, (text: string) => flipAt(text, text.lastIndexOf("=") - 20)],
    ["vkey", /checkpoint: .*malformed|checkpoint: .*invalid/, (text: string) => flipAt(text, text.length - 12)],
    ["proofs.json", /inclusion: leaf 0: /, (text: string) => flipAt(text, text.indexOf('"proof":["') + 12)],
    ["proofs.json", /consistency: /, (text: string) => flipAt(text, text.lastIndexOf('"proof":["') - 10)],
  ])("and refuse an altered %s, saying %s", (name, reason, alter) => {
    const altered = mkdtempSync(join(scratch, "altered-"));
    cpSync(folder, altered, { recursive: true });
    writeFileSync(join(altered, name), alter(readFileSync(join(folder, name), "utf8")));
    const { sound, said } = check(altered);
    expect({ sound, said }).toEqual({ sound: false, said: expect.stringMatching(reason) });
  });

  test.each([
    ["tile/0/003", /tiles: tile\/0\/003 is another one/],
    ["tile/1/000.p/5", /tiles: tile\/1\/000.p\/5 is another one/],
    ["tile/entries/004", /entries: they make the root/],
    ["tile/entries/005.p/57", /entries: they make the root/],
  ])("and refuse %s with one bit turned", (name, reason) => {
    const altered = mkdtempSync(join(scratch, "altered-"));
    cpSync(folder, altered, { recursive: true });
    const bytes = readFileSync(join(folder, name));
    const middle = bytes.length >> 1;
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    writeFileSync(join(altered, name), bytes);
    const { sound, said } = check(altered);
    expect({ sound, said }).toEqual({ sound: false, said: expect.stringMatching(reason) });
  });
});

/** Another letter of base64 in its place. */
const flipAt = (text: string, at: number): string =>
  `${text.slice(0, at)}${text[at] === "A" ? "B" : "A"}${text.slice(at + 1)}`;
