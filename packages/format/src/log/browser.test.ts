import { sign } from "node:crypto";
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { anIdentity, aStoredBatch } from "../../../../test/support/batches.ts";
import { grownTree } from "../../../../test/support/grown-tree.ts";
import { bodyLines } from "../index.ts";
import {
  checkpointBody,
  inclusionProof,
  leafBytes,
  logSignature,
  noteText,
  receiptText,
  verifierKey,
  vkeyText,
} from "./index.ts";

/** What a page of an auditor would do: nothing from us but the receipt, and a public key that it had before. */
const page = `
import { hashLeaf, openCheckpoint, parseLeaf, parseReceipt, parseVkey, verifyInclusion } from "@tooltrail/format/log";
export async function check(text, vkey) {
  const { index, extra, proof, checkpoint } = parseReceipt(text);
  const { size, root } = await openCheckpoint(checkpoint, [parseVkey(vkey)]);
  const included = verifyInclusion({ index, size, root, leaf: hashLeaf(extra), proof });
  return { included, size, tool: parseLeaf(extra).record.tool };
}`;

test("a checkpoint and a receipt are verified in a browser, by what a browser has", async () => {
  const bundled = await build({
    stdin: { contents: page, resolveDir: import.meta.dirname },
    bundle: true,
    write: false,
    platform: "browser",
    format: "iife",
    globalName: "page",
  });
  const web = { TextEncoder, TextDecoder, atob, btoa, crypto: globalThis.crypto };
  const context = createContext(web);
  runInContext(bundled.outputFiles[0]?.text ?? "", context);
  const check = async (receipt: string, vkey: string): Promise<unknown> =>
    runInContext(`page.check(${JSON.stringify(receipt)}, ${JSON.stringify(vkey)})`, context);

  const batch = await aStoredBatch();
  const entries = (bodyLines(batch.body) ?? []).map((line, index) => leafBytes({ batch, index, line }));
  const tree = await grownTree([...Array.from({ length: 300 }, () => new Uint8Array(1)), ...entries]);
  const { key, privateKey } = anIdentity();
  const logKey = verifierKey("log.example", new Uint8Array(Buffer.from(key, "base64url")));
  const body = checkpointBody({ origin: "log.example", size: tree.size, root: tree.root });
  const checkpoint = noteText({ body, signatures: [logSignature(logKey, sign(null, Buffer.from(body), privateKey))] });
  const [extra = new Uint8Array()] = entries;
  const proof = await inclusionProof(300, tree.size, tree.read);
  const receipt = receiptText({ index: 300, extra, proof, checkpoint });

  expect(await check(receipt, vkeyText(logKey))).toEqual({ included: true, size: 301, tool: "echo" });
  const elsewhere = receiptText({ index: 299, extra, proof, checkpoint });
  expect(await check(elsewhere, vkeyText(logKey))).toMatchObject({ included: false });
  const other = vkeyText(verifierKey("log.example", new Uint8Array(32).fill(9)));
  await expect(check(receipt, other)).rejects.toThrow("no key that is known signed");
  await expect(check(receipt.replace("\n301\n", "\n302\n"), vkeyText(logKey))).rejects.toThrow("signature 1");
});
