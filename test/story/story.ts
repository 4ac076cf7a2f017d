import { parseArgs } from "node:util";
import { faultsOf } from "./faults.ts";
import { kills, startKiller } from "./kills.ts";
import { factor } from "./pace.ts";
import { summaryOf } from "./summary.ts";
import { tellStory } from "./tell.ts";

/** `npm run story [-- --real-time --kill SEED]`: from a release that fails to a postmortem that is closed, with real processes on this machine. */

const { values } = parseArgs({
  options: { "real-time": { type: "boolean", default: false }, kill: { type: "string" } },
});
const say = (line: string): void => void process.stderr.write(`${line}\n`);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1)); // and its processes with it
try {
  const killer = values.kill === undefined ? {} : startKiller(Number(values.kill), kills, say);
  const ending = await tellStory({ factor: values["real-time"] ? 1 : factor, say, ...killer });
  process.stdout.write(summaryOf(ending));
  const faults = faultsOf(ending);
  for (const fault of faults) say(`story: ${fault}`);
  process.exitCode = faults.length === 0 ? 0 : 1;
} catch (error) {
  say(`story: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
