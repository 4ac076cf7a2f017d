import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { tableOf } from "./figures.ts";
import { machineText } from "./machine.ts";
import { isPart, type PartName, partNames, runBench } from "./run.ts";
import { scales } from "./scale.ts";

/** `npm run bench`: where we stand against the physical limit. README.md says how it measures. */

const usage = `Usage: npm run bench [-- --only ${partNames.join(",")}] [--quick] [--json FILE] [--format table|json]`;

const { only, quick, json, format } = readArguments();
const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1)); // and its processes and folders with it

const report = await runBench({ only, scale: quick ? scales.quick : scales.full, say });
const text = `${JSON.stringify(report, undefined, 2)}\n`;
if (json !== undefined) writeFileSync(json, text);
if (format === "json") process.stdout.write(text);
else {
  const tables = report.parts.map(({ part, figures, skipped }) =>
    skipped === undefined ? tableOf(part, figures) : `${part}: skipped, ${skipped}`,
  );
  process.stdout.write(`${[machineText(report.machine), ...tables].join("\n\n")}\n`);
}
process.exit(0);

function readArguments(): { only: PartName[]; quick: boolean; json: string | undefined; format: string } {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: "string", default: partNames.join(",") },
        quick: { type: "boolean", default: false },
        json: { type: "string" },
        format: { type: "string", default: "table" },
      },
    });
    const only = values.only.split(",");
    const unknown = only.find((name) => !isPart(name));
    if (unknown !== undefined) throw new Error(`--only: there is no part "${unknown}".`);
    if (!["table", "json"].includes(values.format))
      throw new Error(`--format: "${values.format}" is neither table nor json.`);
    return { only: only.filter(isPart), quick: values.quick, json: values.json, format: values.format };
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n${usage}\n`);
    process.exit(64);
  }
}
