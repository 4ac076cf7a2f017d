import { buildCommand, type CommandContext } from "@stricli/core";
import { complement, toNumber } from "@tooltrail/core/slo/ratio";
import type { Slo } from "@tooltrail/core/slo/slo";
import { indicatorText, percentText, periodText } from "./slo-text.ts";
import { plain } from "./table.ts";

interface Flags {
  readonly json: boolean;
}

export const lintCommand = buildCommand<Flags, string[], CommandContext>({
  docs: {
    brief: "Check files with OpenSLO definitions, and say what they define",
    fullDescription:
      "Exits with 0 when all is sound, 1 when there are faults: on stderr, each with its file, line, column and field. Nothing is sent.",
  },
  parameters: {
    flags: {
      json: { kind: "boolean", brief: 'print {"definitions":[…],"faults":[…],"notes":[…]}', default: false },
    },
    positional: {
      kind: "array",
      parameter: { parse: String, brief: "a YAML file, or a folder of *.yaml and *.yml", placeholder: "FILE" },
      minimum: 1,
    },
  },
  async func({ json }, ...places) {
    // What reads YAML is loaded by who reads it: a proxy starts without.
    const { readDefinitionFiles } = await import("./slo-files.ts");
    const { definitions: read, faults, notes } = readDefinitionFiles(places);
    const definitions = read.map(({ file, slo }) => ({ file, slo }));
    const { stdout, stderr } = this.process;
    if (json) stdout.write(`${JSON.stringify({ definitions, faults, notes }, undefined, 2)}\n`);
    else {
      for (const line of [...notes, ...faults]) stderr.write(`${plain(line)}\n`);
      for (const { slo } of definitions) stdout.write(`${plain(sloText(slo))}\n`);
    }
    if (faults.length > 0) process.exitCode = 1;
  },
});

/** `billing-availability: availability of billing, 99.9 % over 30 days, page-1h page-6h ticket-1d ticket-3d` */
function sloText({ name, indicator, budget, period, slices, rules }: Slo): string {
  const target = percentText(toNumber(complement(budget)));
  const what = slices
    ? `${target} of ${slices.minutes}-minute slices (good from ${percentText(toNumber(slices.target))} on)`
    : target;
  const alerts = rules.map((rule) => rule.name).join(" ") || "no alerts";
  return `${name}: ${indicatorText(indicator)}, ${what} ${periodText(period)}, ${alerts}`;
}
