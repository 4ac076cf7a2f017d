import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { gunzipSync } from "node:zlib";

/**
 * `node bare-loop.ts DATABASE`: the least that a durable ledger of these bytes can be. For each file named on stdin, one envelope a line, it parses
 * the envelope, inflates the body, parses and hashes every record, and inserts them, a transaction a batch. It says the seconds on stdout.
 */

const [path = ""] = process.argv.slice(2);
const db = new DatabaseSync(path);
db.exec(`
  PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
  CREATE TABLE record (emitter TEXT, seq INTEGER, i INTEGER, at INTEGER, hash TEXT, line TEXT, PRIMARY KEY (emitter, seq, i)) STRICT;
`);
const insert = db.prepare("INSERT INTO record (emitter, seq, i, at, hash, line) VALUES (?, ?, ?, ?, ?, ?)");

function store(envelope: string): void {
  const { headers, body } = JSON.parse(envelope) as { headers: { emitter: string; seq: number }; body: string };
  const lines = gunzipSync(Buffer.from(body, "base64")).toString("utf8").split("\n");
  db.exec("BEGIN");
  for (const [i, line] of lines.slice(0, -1).entries()) {
    const { at } = JSON.parse(line) as { at: number };
    insert.run(headers.emitter, headers.seq, i, at, createHash("sha256").update(line).digest("hex"), line);
  }
  db.exec("COMMIT");
}

for await (const file of createInterface({ input: process.stdin })) {
  const envelopes = readFileSync(file, "utf8").split("\n");
  const began = performance.now();
  for (const envelope of envelopes) store(envelope);
  process.stdout.write(`${(performance.now() - began) / 1_000}\n`);
}
