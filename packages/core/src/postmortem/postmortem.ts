import type { Action, Incident } from "../incidents/incident.ts";

/*
 * What a team writes down after an incident: what the records say, which nobody edits, and what people have to say, which nobody else can. Plain data; times in milliseconds, UTC. Names of people are
 * pseudonyms.
 */

/** What only people can say. `summary` begins as a draft; causes are never drafted. */
export const humanFields = [
  "summary",
  "rootCause",
  "trigger",
  "resolution",
  "detection",
  "whatWentWell",
  "whatWentWrong",
  "whereWeGotLucky",
  "lessons",
] as const;
export type HumanField = (typeof humanFields)[number];

export const actionItemTypes = ["prevent", "mitigate", "detect", "process"] as const;
export type ActionItemType = (typeof actionItemTypes)[number];

export interface ActionItem {
  readonly id: string;
  readonly title: string;
  readonly type: ActionItemType;
  readonly owner?: string;
  readonly dueAt?: number;
  readonly done?: boolean;
}

/** `started`: when it began to hurt, as the records say, which is before any alert. */
export interface Times {
  readonly startedAt: number;
  readonly detectedAt: number;
  readonly acknowledgedAt?: number;
  readonly mitigatedAt?: number;
  readonly resolvedAt?: number;
}

/** Of one incident what MTTD, MTTA and MTTR are means of. To detect, to mitigate and to resolve count from the start, to acknowledge from the detection. */
export interface Durations {
  readonly timeToDetectMs: number;
  readonly timeToAcknowledgeMs?: number;
  readonly timeToMitigateMs?: number;
  readonly timeToResolveMs?: number;
}

export interface Hit {
  readonly name: string;
  readonly bad: number;
}

/** `from` and `to`: whole minutes, `to` not included. Counts are the counters'; who and what was hit is told by the records themselves. */
export interface Impact {
  readonly from: number;
  readonly to: number;
  /** What the incident's signal counts: for most calls, else scores or attempts. */
  readonly calls: { readonly total: number; readonly bad: number };
  /** Parts of the budget that were spent when it began, and when it was over; before anything was counted, the former is absent. */
  readonly budget?: { readonly slo: string; readonly spentBefore?: number; readonly spent: number };
  /** `atLeast`: there may be more of them. `listed`: the first that were hit, by pseudonym. */
  readonly principals: { readonly count: number; readonly atLeast: boolean; readonly listed: readonly string[] };
  /** The hardest hit first. */
  readonly tools: readonly Hit[];
  readonly versions: readonly (Hit & { readonly server: string })[];
}

/** `record`: the record that proves the command. */
export interface TimelineItem {
  readonly at: number;
  readonly text: string;
  readonly by?: string;
  readonly record?: string;
}

/** What changed shortly before. Whether it has to do with the incident, people say. */
export interface Candidate {
  readonly at: number;
  readonly what: string;
  readonly record?: string;
}

/** `receipt`: a C2SP tlog-proof. Absent where the log did not have the record yet, or where there is no room for it. */
export interface EvidenceItem {
  readonly record: string;
  readonly at: number;
  readonly what: string;
  readonly receipt?: string;
}

export interface ContractTestItem {
  readonly server: string;
  readonly tool: string;
  /** Digest of the definition that it was made from. */
  readonly definition: string;
  readonly fileName: string;
  readonly source: string;
}

export interface Postmortem extends Readonly<Record<HumanField, string>> {
  readonly incident: string;
  /** From 1; each edit makes the next. */
  readonly revision: number;
  readonly title: string;
  readonly status: "draft" | "complete";
  readonly severity: Incident["severity"];
  /** When this revision was made. */
  readonly at: number;
  /** Who has written in it, the first first; nobody has in a draft. */
  readonly authors: readonly string[];
  /** Whose this revision is. */
  readonly by?: string;
  readonly times: Times;
  readonly durations: Durations;
  readonly impact: Impact;
  readonly playbook: { readonly id: string; readonly version: number };
  readonly hypothesis: string;
  readonly actions: readonly Action[];
  readonly timeline: readonly TimelineItem[];
  readonly candidates: readonly Candidate[];
  readonly evidence: readonly EvidenceItem[];
  readonly contractTests: readonly ContractTestItem[];
  /** What was not looked at, and why: a sentence each. */
  readonly limits: readonly string[];
  /** What the playbook wants to be asked. */
  readonly questions: readonly string[];
  /** Fields whose text nobody has written yet. */
  readonly drafted: readonly HumanField[];
  readonly actionItems: readonly ActionItem[];
}

/** Whether people have done their part: summary and cause are theirs, and there is something to do, all of which has an owner. */
export const isComplete = ({ summary, rootCause, drafted, actionItems }: Omit<Postmortem, "status">): boolean =>
  summary.trim() !== "" &&
  !drafted.includes("summary") &&
  rootCause.trim() !== "" &&
  !drafted.includes("rootCause") &&
  actionItems.length > 0 &&
  actionItems.every(({ owner }) => owner !== undefined && owner.trim() !== "");

/** Stands in markers alone: names and texts that have it in them are changed. */
export const markerWord = "tooltrail-incident";

/** The line by which a ticket is found again. */
export const markerOf = (incident: string): string => `${markerWord}: ${incident}`;
