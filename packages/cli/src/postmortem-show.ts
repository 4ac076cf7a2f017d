import { buildCommand, type CommandContext } from "@stricli/core";
import type { PostmortemAnswer } from "@tooltrail/api/types";
import { Refused } from "./client.ts";
import { type ConnectFlags, connectFlags } from "./connect.ts";
import { idParameter } from "./incident-id.ts";
import { jsonFlag } from "./incident-send.ts";
import { parseRevision } from "./postmortem-input.ts";
import { readPostmortem } from "./postmortem-read.ts";
import { plain } from "./table.ts";

interface ShowFlags extends ConnectFlags {
  readonly revision?: number;
  readonly markdown: boolean;
  readonly json: boolean;
}

export const showCommand = buildCommand<ShowFlags, [string], CommandContext>({
  docs: {
    brief: "Show a postmortem as text: with names, and without the texts of tests and receipts",
    fullDescription: "With --markdown all of it as tickets have it: with pseudonyms, tests and receipts.",
  },
  parameters: {
    flags: {
      ...connectFlags,
      revision: {
        kind: "parsed",
        parse: parseRevision,
        optional: true,
        brief: "as it was then; else the last one",
        placeholder: "N",
      },
      markdown: { kind: "boolean", brief: "as Markdown, for a file or a ticket", default: false },
      json: jsonFlag,
    },
    positional: { kind: "tuple", parameters: [idParameter] },
  },
  async func({ data, revision, markdown, json }, id) {
    if (markdown && json) throw new Refused(400, "--markdown, or --json: one of the two.");
    const answer = await readPostmortem({ ...(data && { data }) }, id, revision);
    const { stdout } = this.process;
    if (json) {
      stdout.write(`${JSON.stringify(answer, undefined, 2)}\n`);
      return;
    }
    // Loaded here, since only this has a use for it.
    const { markdownOf } = await import("@tooltrail/core/postmortem/markdown");
    stdout.write(markdown ? markdownOf(answer.postmortem) : readable(answer, markdownOf));
  },
});

/** Markdown for people at a terminal. */
export function readable(
  { postmortem, names }: PostmortemAnswer,
  markdownOf: (postmortem: PostmortemAnswer["postmortem"]) => string,
): string {
  const { incident, contractTests, evidence } = postmortem;
  const [text = ""] = markdownOf({ ...postmortem, contractTests: [] }).split("\n## Receipts\n");
  const named = text.replaceAll(/\bp_[a-z2-7]{26}\b/g, (ref) =>
    Object.hasOwn(names, ref) ? (names[ref] ?? ref) : ref,
  );
  const proven = evidence.filter(({ receipt }) => receipt !== undefined).length;
  const files = [
    ...(contractTests.length === 0
      ? []
      : [`Contract tests (${contractTests.length}): npx tooltrail postmortem tests ${incident} --out DIR`]),
    ...(proven === 0 ? [] : [`Receipts (${proven}): npx tooltrail postmortem receipts ${incident} --out DIR`]),
  ];
  return [...named.trimEnd().split("\n"), ...(files.length === 0 ? [] : ["", ...files])]
    .map((line) => `${plain(line)}\n`)
    .join("");
}
