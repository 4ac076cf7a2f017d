import { buildCommand, type CommandContext } from "@stricli/core";
import type { AppliedAnswer } from "@tooltrail/api/types";
import type { ResponseKind } from "@tooltrail/core/response/response";
import { Refused } from "./client.ts";
import { connect } from "./connect.ts";
import { kindOf, kindsBrief, pathOf, type ResponseFlags, responseFlags } from "./playbook-flags.ts";
import { inRequests } from "./slo-change.ts";
import { plain } from "./table.ts";

export const applyCommand = buildCommand<ResponseFlags, string[], CommandContext>({
  docs: {
    brief: "Put playbooks, runbooks, destinations and policies in force, or change them, by files",
    fullDescription:
      "Where anything in any of the files has a fault, nothing is applied, and it exits with 1. What is in force already, word for word, is left as it is; what is in no file stays.",
  },
  parameters: {
    flags: responseFlags,
    positional: {
      kind: "array",
      parameter: { parse: String, brief: "a YAML file, or a folder of *.yaml and *.yml", placeholder: "FILE" },
      minimum: 1,
    },
  },
  async func({ data, json }, ...places) {
    const { stdout, stderr } = this.process;
    // Loaded here, since YAML takes its time and memory, and a proxy has no use for it.
    const { readResponseFiles } = await import("./playbook-files.ts");
    const { documents, faults, notes } = readResponseFiles(places);
    for (const line of [...notes, ...faults]) stderr.write(`${plain(line)}\n`);
    if (faults.length > 0) {
      process.exitCode = 1;
      return;
    }
    if (documents.length === 0) throw new Refused(400, `${places.join(", ")}: no document is there.`);
    const { post } = connect({ ...(data && { data }) });
    const applied: AppliedAnswer["applied"][number][] = [];
    for (const some of inRequests(documents.map(({ document }) => document)))
      applied.push(...(await post<AppliedAnswer>("/v1/response", { documents: some })).applied);
    stdout.write(json ? `${JSON.stringify({ applied })}\n` : applied.map(appliedText).join(""));
  },
});

export const removeCommand = buildCommand<ResponseFlags, [ResponseKind, string], CommandContext>({
  docs: { brief: "Take one out of force; its versions are kept" },
  parameters: {
    flags: responseFlags,
    positional: {
      kind: "tuple",
      parameters: [
        { parse: kindOf, brief: kindsBrief, placeholder: "KIND" },
        { parse: String, brief: "its name, or a playbook's id", placeholder: "NAME" },
      ],
    },
  },
  async func({ data, json }, kind, name) {
    const answer = await connect({ ...(data && { data }) }).delete<AppliedAnswer>(pathOf(kind, name));
    this.process.stdout.write(json ? `${JSON.stringify(answer)}\n` : answer.applied.map(appliedText).join(""));
  },
});

const appliedText = ({ name, outcome, version }: AppliedAnswer["applied"][number]): string =>
  `${plain(name)}: ${outcome}, version ${version}\n`;
