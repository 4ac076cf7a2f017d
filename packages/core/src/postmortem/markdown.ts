import { percent } from "./draft.ts";
import { escaped, fenced, paragraphs, table } from "./escape.ts";
import type { ActionItem, HumanField, Impact, Postmortem, TimelineItem } from "./postmortem.ts";
import { markerOf } from "./postmortem.ts";
import { isoOf } from "./timeline.ts";

/** Bytes. */
export const maxMarkdownBytes = 200_000;

/**
 * A postmortem as a ticket or a page shows it: headings, paragraphs, lists, tables, fenced code, links and bold, and nothing else; characters that mean something to Markdown have a backslash before them.
 *
 * Texts of servers, clients and people come in as texts. It ends with the line that `markerOf` makes, which is nowhere else in it. Where there is too much, receipts go first, then tests, then the longest lists.
 */
export function markdownOf(postmortem: Postmortem): string {
  const end = `\n${markerOf(postmortem.incident)}\n`;
  let left = maxMarkdownBytes - Buffer.byteLength(end);
  const parts: string[] = [];
  for (const { text, instead } of blocksOf(postmortem)) {
    const fitting = [text, instead].find((one) => Buffer.byteLength(one) + 2 <= left - (one === text ? reserve : 0));
    if (fitting === undefined) continue;
    left -= Buffer.byteLength(fitting) + 2;
    parts.push(fitting);
  }
  return `${parts.join("\n\n")}\n${end}`;
}

/** For the sentences that stand in for what has no room. */
const reserve = 10_000;

/** `instead`: what is said where there is no room for it. */
interface Block {
  readonly text: string;
  readonly instead: string;
}

const noRoom = "There is no room for it here: the postmortem itself has it.";

const block = (heading: string, ...parts: readonly string[]): Block => {
  const head = `## ${heading}`;
  const said = parts.filter((part) => part !== "");
  return { text: [head, ...said].join("\n\n"), instead: `${head}\n\n${noRoom}` };
};

function blocksOf(postmortem: Postmortem): Block[] {
  const { title, status, severity, revision, at, by, authors, impact, evidence, contractTests } = postmortem;
  const said = [
    `**Incident:** ${escaped(postmortem.incident)}`,
    `**Status:** ${status === "complete" ? "complete" : "draft"}, revision ${revision} of ${isoOf(at)}${by === undefined ? "" : ` by ${escaped(by)}`}`,
    `**Severity:** ${severity}`,
    `**Authors:** ${authors.length === 0 ? "nobody yet" : authors.map(escaped).join(", ")}`,
    `**Playbook:** ${escaped(postmortem.playbook.id)}, version ${postmortem.playbook.version}`,
  ];
  const head = `# Postmortem: ${escaped(title)}\n\n${said.map((line) => `- ${line}`).join("\n")}`;
  return [
    { text: head, instead: head },
    block("Summary", human(postmortem, "summary")),
    block("Impact", impactText(impact)),
    block("Times", timesText(postmortem)),
    block("Root cause", human(postmortem, "rootCause")),
    block("Trigger", human(postmortem, "trigger")),
    block("Resolution", human(postmortem, "resolution")),
    block("Detection", human(postmortem, "detection")),
    block("Action items", actionItemsText(postmortem.actionItems)),
    block("What went well", human(postmortem, "whatWentWell")),
    block("What went wrong", human(postmortem, "whatWentWrong")),
    block("Where we got lucky", human(postmortem, "whereWeGotLucky")),
    block("Lessons", human(postmortem, "lessons"), ...questionsText(postmortem)),
    block("Response", `**Hypothesis of the playbook:** ${escaped(postmortem.hypothesis)}`, actionsText(postmortem)),
    block("Timeline", timelineText(postmortem.timeline)),
    block("Changed in the two hours before", candidatesText(postmortem)),
    block("Evidence", evidenceText(postmortem)),
    ...(postmortem.limits.length === 0 ? [] : [block("What was not looked at", list(postmortem.limits.map(escaped)))]),
    ...contractTests.map(({ fileName, server, tool, source }, i) => {
      const heading = `${i === 0 ? "## Contract tests\n\n" : ""}### ${escaped(fileName)}`;
      const about = `For ${escaped(tool)} of ${escaped(server)}: it fails where the tool is gone, does not take what recorded calls gave it, or does not answer as it promised.`;
      return {
        text: [heading, about, fenced(source, "js")].join("\n\n"),
        instead: `${heading}\n\n${noRoom}`,
      };
    }),
    ...evidence
      .filter(({ receipt }) => receipt !== undefined)
      .map(({ record, receipt = "" }, i) => {
        const heading = `${i === 0 ? "## Receipts\n\n" : ""}### ${escaped(record)}`;
        return { text: `${heading}\n\n${fenced(receipt)}`, instead: `${heading}\n\n${noRoom}` };
      }),
  ];
}

const list = (lines: readonly string[]): string => lines.map((line) => `- ${line}`).join("\n");

function human(postmortem: Postmortem, field: HumanField): string {
  const text = postmortem[field].trim();
  if (text === "") return "Nobody has written this yet.";
  return postmortem.drafted.includes(field)
    ? `**Draft, to be written by people:** ${paragraphs(text)}`
    : paragraphs(text);
}

function impactText({ from, to, calls, budget, principals, tools, versions }: Impact): string {
  const listed = principals.listed.map(escaped).join(", ");
  const more = principals.count > principals.listed.length ? ", and others" : "";
  const some = principals.atLeast ? "at least " : "";
  return list([
    `**From** ${isoOf(from)} **to** ${isoOf(to)}`,
    `**Calls:** ${calls.bad} bad of ${calls.total}`,
    ...(budget
      ? [
          `**Budget of ${escaped(budget.slo)}:** ${percent(budget.spent)} spent by the end${budget.spentBefore === undefined ? "" : `, ${percent(budget.spentBefore)} before`}`,
        ]
      : []),
    `**Principals hit:** ${some}${principals.count}${listed === "" ? "" : ` (${listed}${more})`}`,
    ...(tools.length > 0
      ? [`**Tools:** ${some}${tools.map(({ name, bad }) => `${escaped(name)} (${bad})`).join(", ")}`]
      : []),
    ...(versions.length > 0
      ? [
          `**Versions:** ${some}${versions.map(({ server, name, bad }) => `${escaped(server)} ${name === "" ? "without a version" : escaped(name)} (${bad})`).join(", ")}`,
        ]
      : []),
  ]);
}

function timesText({ times, durations }: Postmortem): string {
  const rows: [string, number | undefined, string, number | undefined][] = [
    ["Started", times.startedAt, "", undefined],
    ["Detected", times.detectedAt, "to detect", durations.timeToDetectMs],
    ["Acknowledged", times.acknowledgedAt, "to acknowledge, from the detection", durations.timeToAcknowledgeMs],
    ["Mitigated", times.mitigatedAt, "to mitigate, from the start", durations.timeToMitigateMs],
    ["Resolved", times.resolvedAt, "to resolve, from the start", durations.timeToResolveMs],
  ];
  return table(
    ["What", "When (UTC)", "Time"],
    rows.map(([what, at, means, ms]) => [
      what,
      at === undefined ? "never" : isoOf(at),
      ms === undefined ? "" : `${timeText(ms)} ${means}`,
    ]),
  );
}

function timeText(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 120 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const actionItemsText = (items: readonly ActionItem[]): string =>
  items.length === 0
    ? "There are none yet."
    : table(
        ["Id", "What", "Type", "Owner", "Due", "Done"],
        items.map(({ id, title, type, owner, dueAt, done }) => [
          escaped(id),
          escaped(title),
          type,
          owner === undefined ? "**nobody yet**" : escaped(owner),
          dueAt === undefined ? "" : isoOf(dueAt).slice(0, 10),
          done ? "yes" : "no",
        ]),
      );

const questionsText = ({ questions }: Postmortem): string[] =>
  questions.length === 0 ? [] : ["**The playbook asks:**", list(questions.map(escaped))];

const actionsText = ({ actions }: Postmortem): string =>
  actions.length === 0
    ? "No action was taken."
    : list(
        actions.map(
          ({ id, kind, params, state, by, requestedAt, approvedBy, detail }) =>
            `${isoOf(requestedAt)} ${escaped(kind)} (${escaped(id)}) by ${by === "" ? "the pipeline" : escaped(by)}${approvedBy === undefined ? "" : `, approved by ${escaped(approvedBy)}`}: **${state}**${detail === undefined ? "" : `, ${escaped(detail)}`}. ${escaped(JSON.stringify(params))}`,
        ),
      );

const timelineText = (items: readonly TimelineItem[]): string =>
  table(
    ["When (UTC)", "What", "Who", "Record"],
    items.map(({ at, text, by, record }) => [
      isoOf(at),
      escaped(text),
      by === undefined ? "" : escaped(by),
      record === undefined ? "" : escaped(record),
    ]),
  );

const candidatesText = ({ candidates }: Postmortem): string =>
  candidates.length === 0
    ? "Nothing is on record."
    : [
        "Also what changed until it was noticed. Whether any of it has to do with the incident, the records do not say.",
        list(
          candidates.map(
            ({ at, what, record }) =>
              `${isoOf(at)} ${escaped(what)}${record === undefined ? "" : ` ${escaped(record)}`}`,
          ),
        ),
      ].join("\n\n");

function evidenceText({ evidence }: Postmortem): string {
  const [first] = evidence;
  if (first === undefined) return "There is none.";
  const commands = [
    `npx tooltrail record ${plainId(first.record)} --proof > receipt.txt`,
    "npx tooltrail verify --receipt receipt.txt --vkey LOG-KEY",
  ];
  return [
    "Each of these records is in the signed log. A receipt proves it to whoever has the log's public key, offline; the pipeline serves it at /log/vkey.",
    fenced(commands.join("\n")),
    table(
      ["Record", "When (UTC)", "What", "Receipt"],
      evidence.map(({ record, at, what, receipt }) => [
        escaped(record),
        isoOf(at),
        escaped(what),
        receipt === undefined ? "not in the log yet, or no room" : "below",
      ]),
    ),
  ].join("\n\n");
}

const plainId = (id: string): string => id.replaceAll(/[^\w]/g, "");
