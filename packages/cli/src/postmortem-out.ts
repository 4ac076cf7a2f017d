import { buildCommand, type CommandContext } from "@stricli/core";
import type { Postmortem } from "@tooltrail/api/types";
import { parseRecordId } from "@tooltrail/format";
import { Refused } from "./client.ts";
import { type ConnectFlags, connectFlags } from "./connect.ts";
import { idParameter } from "./incident-id.ts";
import { jsonFlag } from "./incident-send.ts";
import { type NewFile, writeFiles } from "./postmortem-files.ts";
import { readPostmortem } from "./postmortem-read.ts";
import { plain } from "./table.ts";

interface OutFlags extends ConnectFlags {
  readonly out: string;
  readonly force: boolean;
  readonly json: boolean;
}

/** `without`: what of it has no file, and why. */
interface Made {
  readonly files: readonly NewFile[];
  readonly without: readonly string[];
}

interface Kind {
  readonly brief: string;
  readonly fullDescription: string;
  readonly none: string;
  of(postmortem: Postmortem): Made;
}

const writing = ({ brief, fullDescription, none, of }: Kind) =>
  buildCommand<OutFlags, [string], CommandContext>({
    docs: { brief, fullDescription },
    parameters: {
      flags: {
        ...connectFlags,
        out: { kind: "parsed", parse: String, brief: "the folder; made where it is missing", placeholder: "DIR" },
        force: { kind: "boolean", brief: "write over files that are there already", default: false },
        json: { ...jsonFlag, brief: 'print {"files":[…],"without":[…]}' },
      },
      positional: { kind: "tuple", parameters: [idParameter] },
    },
    async func({ data, out, force, json }, id) {
      const { postmortem } = await readPostmortem({ ...(data && { data }) }, id);
      const { files, without } = of(postmortem);
      if (files.length === 0 && without.length === 0) throw new Refused(404, `${postmortem.incident}: ${none}`);
      const paths = writeFiles(out, files, force);
      const { stdout, stderr } = this.process;
      stdout.write(json ? `${JSON.stringify({ files: paths, without })}\n` : paths.map((path) => `${path}\n`).join(""));
      for (const line of without) stderr.write(`tooltrail: ${plain(line)}\n`);
      if (without.length > 0) process.exitCode = 1;
    },
  });

export const testsCommand = writing({
  brief: "Write the contract tests of the tools that failed",
  fullDescription: "For node --test; each of them says how to run it.",
  none: "there is no contract test in its postmortem.",
  of: ({ contractTests }) => ({
    files: contractTests.map(({ fileName, source }) => ({ name: fileName, text: source })),
    without: [],
  }),
});

export const receiptsCommand = writing({
  brief: "Write the receipts of what a postmortem stands on",
  fullDescription:
    "Each as RECORD.tlog-proof: npx tooltrail verify --receipt FILE checks one, offline. Exits with 1 where a record has none.",
  none: "there is no evidence in its postmortem.",
  of: receiptsOf,
});

export function receiptsOf({ evidence }: Pick<Postmortem, "evidence">): Made {
  const isProven = ({ record, receipt }: Postmortem["evidence"][number]): boolean =>
    receipt !== undefined && parseRecordId(record) !== undefined;
  return {
    files: evidence
      .filter(isProven)
      .map(({ record, receipt = "" }) => ({ name: `${record}.tlog-proof`, text: receipt })),
    without: evidence
      .filter((one) => !isProven(one))
      .map(({ record }) => `${record} has no receipt in it: npx tooltrail record ${record} --proof`),
  };
}
