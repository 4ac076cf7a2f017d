import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { StoredBatch } from "@tooltrail/core/ports";
import { type CallRecord, headersHash } from "@tooltrail/format";
import { openDatabase } from "@tooltrail/local/sqlite";
import { type Figure, figure } from "./figures.ts";
import { type Asked, openLog } from "./filled-log.ts";
import { prices } from "./prices.ts";
import { inScratch } from "./scratch.ts";
import { aCaller, createTrafficEmitter, timesFrom } from "./traffic.ts";

/** As stacks/pipeline.ts sets them: the stream's window, and how often a quiet log is signed anew. */
const windowSeconds = 5;
const republishSeconds = 600;
const monthSeconds = 30 * 86_400;
/** Enough for partials to become full tiles, and be tagged. */
const windows = 60;
const million = 1_000_000;

/**
 * Dollars for what the log asks of S3 and KMS, by the requests that sequencer and signer really make, at one commit and one checkpoint a window.
 *
 * A million records in a month come in the fewest windows where they come at once, and in the most where something comes in each: that is the ceiling, whatever the traffic.
 */
export const logCost = (samples: readonly CallRecord[]): Promise<Figure[]> =>
  inScratch(async (dir) => {
    const dataDir = join(dir, "data");
    mkdirSync(dataDir);
    const db = openDatabase(dataDir, false);
    const log = openLog(db, dataDir);
    const emitter = createTrafficEmitter("server-0", samples);
    const window = async (batches: number): Promise<void> => {
      const some: StoredBatch[] = [];
      for (let i = 0; i < batches; i += 1) {
        const now = Date.now();
        const { headers, sig, body } = await emitter.next(timesFrom(now, 50, 0), [aCaller(i)]);
        some.push({ headers, sig, body, identity: headersHash(headers), receivedAtMs: now, account: "000000000000" });
      }
      await log.sequence(some);
      await log.sign(Date.now());
    };
    const perWindow = async (batches: number): Promise<Asked> => {
      const before = { ...log.asked };
      for (let i = 0; i < windows; i += 1) await window(batches);
      return difference(log.asked, before);
    };
    const thin = await perWindow(1);
    const thick = await perWindow(20);
    const before = { ...log.asked };
    await log.sign(Date.now() + 2 * republishSeconds * 1_000);
    const idle = difference(log.asked, before, 1);
    db.close();

    const ceiling = monthSeconds / windowSeconds;
    const republished = monthSeconds / republishSeconds;
    return [
      figure("S3, a million records, 1,000 a window", (million / 1_000) * s3(thick), "$"),
      figure("KMS, a million records, 1,000 a window", (million / 1_000) * kms(thick), "$"),
      figure("S3, a month with something in every window", ceiling * s3(thin), "$"),
      figure("KMS, a month with something in every window", ceiling * kms(thin), "$"),
      figure("S3, an idle month", republished * s3(idle), "$"),
      figure("KMS, an idle month", republished * kms(idle), "$"),
      figure("writes to S3 a window", thin.puts + thin.lists + thin.tags, "requests"),
      figure("reads of S3 a window", thin.gets, "requests"),
    ];
  });

const difference = (after: Asked, before: Asked, over = windows): Asked => ({
  puts: (after.puts - before.puts) / over,
  gets: (after.gets - before.gets) / over,
  lists: (after.lists - before.lists) / over,
  tags: (after.tags - before.tags) / over,
  signatures: (after.signatures - before.signatures) / over,
});

/** A list and a tag cost like a put. */
const s3 = ({ puts, lists, tags, gets }: Asked): number =>
  (puts + lists + tags) * prices.s3.perPut + gets * prices.s3.perGet;
const kms = ({ signatures }: Asked): number => signatures * prices.kms.perSignature;
