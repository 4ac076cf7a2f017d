import { buildCommand, type CommandContext } from "@stricli/core";
import { nameOf } from "@tooltrail/core/response/response";
import { titleOf } from "@tooltrail/core/response/title";
import { plain } from "./table.ts";

interface Flags {
  readonly json: boolean;
}

export const lintCommand = buildCommand<Flags, string[], CommandContext>({
  docs: {
    brief: "Check files with playbooks, runbooks, destinations and policies, and say what they hold",
    fullDescription:
      "Exits with 0 when all is sound, 1 when there are faults: on stderr, each with its file, line, column and field. All files count together: a policy in one may name destinations of another. Nothing is sent.",
  },
  parameters: {
    flags: {
      json: { kind: "boolean", brief: 'print {"documents":[…],"faults":[…],"notes":[…]}', default: false },
    },
    positional: {
      kind: "array",
      parameter: { parse: String, brief: "a YAML file, or a folder of *.yaml and *.yml", placeholder: "FILE" },
      minimum: 1,
    },
  },
  async func({ json }, ...places) {
    // What reads YAML is loaded by who reads it: a proxy starts without.
    const { readResponseFiles } = await import("./playbook-files.ts");
    const { documents, faults, notes } = readResponseFiles(places);
    const { stdout, stderr } = this.process;
    if (json) stdout.write(`${JSON.stringify({ documents, faults, notes }, undefined, 2)}\n`);
    else {
      for (const line of [...notes, ...faults]) stderr.write(`${plain(line)}\n`);
      for (const { document } of documents)
        stdout.write(`${plain(`${document.kind} ${nameOf(document)}: ${titleOf(document)}`)}\n`);
    }
    if (faults.length > 0) process.exitCode = 1;
  },
});
