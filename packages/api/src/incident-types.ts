import type { CommandType, Incident, IncidentEvent } from "@tooltrail/core/incidents/incident";
import type { Dead } from "@tooltrail/core/incidents/store";
import type { Postmortem } from "@tooltrail/core/postmortem/postmortem";

/** What the HTTP API answers about incidents, as JSON. Times in milliseconds. */
export type { CommandType, Incident, IncidentEvent, Postmortem };

/** An incident in a list. `owner`, `etaAt`: of its last status. */
export type IncidentSummary = Pick<
  Incident,
  | "id"
  | "version"
  | "status"
  | "severity"
  | "title"
  | "cause"
  | "episode"
  | "serverVersion"
  | "parent"
  | "startedAt"
  | "openedAt"
  | "acknowledgedAt"
  | "mitigatedAt"
  | "resolvedAt"
  | "alertCount"
> & {
  readonly playbook: string;
  readonly level: number;
  readonly owner?: string;
  readonly etaAt?: number;
};

/** The latest first. A page may be short, even empty, and still have a next one. */
export interface IncidentsPage {
  readonly incidents: readonly IncidentSummary[];
  readonly next: string | null;
}

/** With the commands that it takes now, and the names of people in it that have not been forgotten, by pseudonym. */
export interface IncidentAnswer {
  readonly incident: Incident;
  readonly allowed: readonly CommandType[];
  readonly names: { readonly [ref: string]: string };
}

export interface IncidentEventsAnswer {
  readonly events: readonly IncidentEvent[];
  readonly names: { readonly [ref: string]: string };
}

/** What nobody could be told, and why: it is tried no more. */
export interface UndeliveredAnswer {
  readonly undelivered: readonly (Dead & { readonly id: string })[];
}
export interface RetryAnswer {
  readonly retried: number;
}

export interface PostmortemAnswer {
  readonly postmortem: Postmortem;
  readonly names: { readonly [ref: string]: string };
}
