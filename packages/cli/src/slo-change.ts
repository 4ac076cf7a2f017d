import { buildCommand, type CommandContext } from "@stricli/core";
import type { AppliedAnswer } from "@tooltrail/api/types";
import { Refused } from "./client.ts";
import { type ConnectFlags, connect, connectFlags } from "./connect.ts";
import { plain } from "./table.ts";

interface Flags extends ConnectFlags {
  readonly json: boolean;
}

const flags = { ...connectFlags, json: { kind: "boolean", brief: 'print {"applied":[…]}', default: false } } as const;

/** A request has at most 500 documents, and a pipeline takes at most so many bytes, with room to spare. */
const documentsPerRequest = 500;
const bytesPerRequest = 1_500_000;

export const applyCommand = buildCommand<Flags, string[], CommandContext>({
  docs: {
    brief: "Define SLOs, or change them, by files of OpenSLO",
    fullDescription:
      "Where anything in any of the files has a fault, nothing is applied, and it exits with 1. What is defined already, word for word, is left as it is; SLOs that are in no file stay.",
  },
  parameters: {
    flags,
    positional: {
      kind: "array",
      parameter: { parse: String, brief: "a YAML file, or a folder of *.yaml and *.yml", placeholder: "FILE" },
      minimum: 1,
    },
  },
  async func({ data, json }, ...places) {
    const { stdout, stderr } = this.process;
    const say = (line: string): void => stderr.write(`${plain(line)}\n`);
    // Loaded here, since YAML takes its time and memory, and a proxy has no use for it.
    const { readDefinitionFiles } = await import("./slo-files.ts");
    const { definitions, faults, notes } = readDefinitionFiles(places);
    [...notes, ...faults].forEach(say);
    if (faults.length > 0) {
      process.exitCode = 1;
      return;
    }
    if (definitions.length === 0) throw new Refused(400, `${places.join(", ")}: no SLO is there.`);
    const { post } = connect({ ...(data && { data }) });
    const applied: AppliedAnswer["applied"][number][] = [];
    for (const documents of inRequests(definitions.map(({ document }) => document)))
      applied.push(...(await post<AppliedAnswer>("/v1/slos", { documents })).applied);
    stdout.write(json ? `${JSON.stringify({ applied })}\n` : applied.map(appliedText).join(""));
  },
});

export const removeCommand = buildCommand<Flags, [string], CommandContext>({
  docs: { brief: "Remove the definition of an SLO; its versions are kept" },
  parameters: {
    flags,
    positional: { kind: "tuple", parameters: [{ parse: String, brief: "the SLO's name", placeholder: "NAME" }] },
  },
  async func({ data, json }, name) {
    const client = connect({ ...(data && { data }) });
    const answer = await client.delete<AppliedAnswer>(`/v1/slos/${encodeURIComponent(name)}`);
    this.process.stdout.write(json ? `${JSON.stringify(answer)}\n` : answer.applied.map(appliedText).join(""));
  },
});

const appliedText = ({ name, outcome, version }: AppliedAnswer["applied"][number]): string =>
  `${plain(name)}: ${outcome}, version ${version}\n`;

/** As few requests as fit. Each document is in one of them, in order. */
export function inRequests<Document extends object>(documents: readonly Document[]): Document[][] {
  const requests: Document[][] = [];
  let bytes = 0;
  for (const document of documents) {
    const size = Buffer.byteLength(JSON.stringify(document)) + 1;
    const current = requests.at(-1);
    if (current === undefined || current.length === documentsPerRequest || bytes + size > bytesPerRequest) {
      requests.push([document]);
      bytes = size;
    } else {
      current.push(document);
      bytes += size;
    }
  }
  return requests;
}
