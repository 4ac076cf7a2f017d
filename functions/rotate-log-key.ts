import { parseArgs } from "node:util";
import { verifierKey, vkeyText } from "@tooltrail/format/log";
import { rotateLogKey } from "@tooltrail/local/file-log-keys";
import { config } from "./lib/config.ts";

/** `npm run rotate-log-key`: a new key for the log of one machine. The running pipeline takes it with its next checkpoint. */

const usage = "Usage: npm run rotate-log-key -- [--data DIR] --overlap 30d";

const leastOverlapMs = 3_600_000;
const units = { h: 3_600_000, d: 86_400_000 } as const;

function main(): void {
  const { values } = parseArgs({ options: { data: { type: "string" }, overlap: { type: "string", default: "" } } });
  const [, count, unit] = /^(\d{1,4})([hd])$/.exec(values.overlap) ?? [];
  if (count === undefined)
    throw new Error(`--overlap: "${values.overlap}" is no time in which both keys sign, like 30d or 12h.`);
  const overlapMs = Number(count) * units[unit as keyof typeof units];
  if (overlapMs < leastOverlapMs)
    throw new Error(`--overlap: "${values.overlap}" leaves nobody the time to take the new key; it is at least 1h.`);
  const { dataDir } = config({ ...process.env, ...(values.data && { TOOLTRAIL_DATA: values.data }) });
  const nowMs = Date.now();
  const untilMs = nowMs + overlapMs;
  const { origin, keys } = rotateLogKey(dataDir, { nowMs, untilMs });
  const [current] = keys;
  if (current) process.stdout.write(`${vkeyText(verifierKey(origin, current.publicKey))}\n`);
  process.stderr.write(
    `tooltrail: the key above signs from the next checkpoint on, and the former one beside it until ${new Date(untilMs).toISOString()}. Give it to whoever verifies this log before that.\n`,
  );
}

try {
  main();
} catch (error) {
  process.stderr.write(`tooltrail: ${(error as Error).message}\n${usage}\n`);
  process.exitCode = 64;
}
