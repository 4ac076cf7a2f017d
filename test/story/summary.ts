import type { IncidentEvent } from "@tooltrail/core/incidents/incident";
import type { Ending } from "./ending.ts";
import type { ContractTest } from "./prove.ts";
import type { Page } from "./told.ts";

/** What came of a story, for people. */
export function summaryOf({ incident, events, statuses, told, proven, ownActs, calls, kills, said }: Ending): string {
  const { pager, managers, chat, timeline, executor, issues } = told;
  return [
    "",
    `${incident.id}: ${incident.title}`,
    `  ${statuses.join(" -> ")}`,
    "",
    "Timeline (UTC)",
    ...events.map((event) => `  ${new Date(event.at).toISOString().slice(11, 19)}  ${eventText(event)}`),
    "",
    "Told",
    ...pager.map((page) => `  PagerDuty of the team      ${pageText(page)}`),
    ...managers.map((page) => `  PagerDuty of the managers  ${pageText(page)}`),
    `  Slack                      ${chat.length} messages`,
    ...chat.map((message) => `    ${message.split("\n")[0]}`),
    `  Webhook                    ${timeline.size} events, each once`,
    `  Executor                   ${[...executor.values()].join(", ")}`,
    ...issues.map(({ title }) => `  GitHub                     ${title}`),
    "",
    `Proven: ${proven.receipts} receipts; ${proven.contractTests.map(testText).join(", ")}`,
    `On record: ${ownActs.onRecord.length} acts of the pipeline, besides what people did.`,
    `Callers: ${calls.failed} of ${calls.asked} calls went badly. Pipelines killed: ${kills}.`,
    ...said.map((line) => `The pipeline said: ${line.slice(0, 300)}`),
    "",
  ].join("\n");
}

const pageText = ({ actions, state }: Page): string => `${actions.join(", ")}: ${state}`;

const testText = ({ file, broken, fixed }: ContractTest): string =>
  `${file} ${broken === 0 ? "passes" : "fails"} on 2.0.0 and ${fixed === 0 ? "passes" : "fails"} on 2.0.1`;

function eventText(event: IncidentEvent): string {
  switch (event.type) {
    case "gate.checked":
      return `${event.type} ${event.result}, ${event.measured.map(({ sli, measured }) => `${sli} ${measured ?? "unknown"}`).join(", ")}`;
    case "incident.escalated":
      return `${event.type} level ${event.level}`;
    case "rollback.requested":
      return `${event.type} ${event.runbook?.name ?? "without a runbook"}`;
    default:
      return event.type;
  }
}
