import { parseArgs } from "node:util";
import { runChaos } from "./run.ts";

/** `npm run chaos [-- --rounds N --seed N --keep]`: kill -9 at random moments; nothing that was answered is lost, nothing doubled. */

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "1000" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 4_294_967_296)) },
    keep: { type: "boolean", default: false },
  },
});
const whole = (name: string, text: string): number => {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  process.stderr.write(`chaos: --${name}: "${text}" is not a whole number.\n`);
  process.exit(64);
};
const rounds = whole("rounds", values.rounds);
const seed = whole("seed", values.seed);
const say = (line: string): void => void process.stderr.write(`chaos: ${line}\n`);

say(`${rounds} rounds, seed ${seed}`);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1)); // and its processes with it
const summary = await runChaos({ rounds, seed, keep: values.keep, say });
process.stdout.write(`${JSON.stringify(summary, undefined, 2)}\n`);
if (summary.kept) say(`what is left is in ${summary.kept}`);
process.exit(summary.problems.length === 0 ? 0 : 1);
