import { createHash } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { canonical } from "@tooltrail/format";

/**
 * `node bare-verify.ts`: the least that a check of these bytes can be. For each folder of a log named on stdin it reads every full entry bundle, parses each
 * entry, makes its canonical bytes, and hashes them. It says the seconds and the number of entries on stdout.
 */

function check(folder: string): number {
  let entries = 0;
  for (const file of globSync("tile/entries/**/[0-9][0-9][0-9]", { cwd: folder })) {
    const bytes = readFileSync(join(folder, file));
    for (let at = 0; at < bytes.length; ) {
      const end = at + 2 + bytes.readUInt16BE(at);
      const text = bytes.toString("utf8", at + 2, end);
      const same = canonical(JSON.parse(text));
      if (same !== text) throw new Error(`${file}: an entry is not canonical.`);
      createHash("sha256").update(same).digest();
      entries += 1;
      at = end;
    }
  }
  return entries;
}

for await (const folder of createInterface({ input: process.stdin })) {
  const began = performance.now();
  const entries = check(folder);
  process.stdout.write(`${(performance.now() - began) / 1_000} ${entries}\n`);
}
