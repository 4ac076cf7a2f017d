import type { Destination } from "../response/response.ts";
import type { Incident, IncidentEvent, Ticket } from "./incident.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH";
  /** https, or http to this machine's loopback alone. */
  readonly url: string;
  readonly headers: { readonly [name: string]: string };
  readonly body?: string;
}
/** Header names in lower case. Of a body at most the first 256 KiB. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: { readonly [name: string]: string };
  readonly body: string;
}

/**
 * Asks somebody else's server, once, within ten seconds from the first byte sent to the last one read. A redirect is an answer, and not followed: what is sent may hold a secret.
 *
 * @throws AppError `unavailable`: `not-applied` where no connection came about, else `unknown`; `invalid` for an address that is not to be asked.
 */
export interface Http {
  send(request: HttpRequest): Promise<HttpAnswer>;
}

/** What documents name and do not hold. Read anew each time, so that a rotation needs no restart. Undefined: there is none of that name. */
export interface Secrets {
  read(name: string): Promise<string | undefined>;
}

/** An email, at least once. @throws AppError */
export interface Mail {
  send(mail: {
    readonly from: string;
    readonly to: readonly string[];
    readonly subject: string;
    readonly text: string;
  }): Promise<void>;
}

/** A message to a topic's subscribers, at least once. @throws AppError */
export interface Topics {
  publish(message: { readonly topicArn: string; readonly subject: string; readonly text: string }): Promise<void>;
}

/** Files of a folder that people read. `write` replaces a file as a whole, whenever it is killed. Names are plain: no separators. @throws AppError */
export interface Folders {
  read(folder: string, name: string): Promise<string | undefined>;
  write(folder: string, name: string, text: string): Promise<void>;
}

/**
 * By which ways somebody can be told. What an installation does not have (mail without AWS, folders on it) is absent: a destination that needs it is refused with a sentence. `now` in
 * milliseconds: a webhook's signature holds the time of its attempt.
 */
export interface Ways {
  readonly now: () => number;
  readonly http: Http;
  readonly secrets: Secrets;
  readonly mail?: Mail;
  readonly topics?: Topics;
  readonly folders?: Folders;
}

/** One thing to tell one destination. `id` is the same for each attempt, and for nothing else: the key that lets a destination take it once. */
export interface Notice {
  readonly id: string;
  /** As it is now, which may be later than the event. */
  readonly incident: Incident;
  /** The episode that the event belongs to. */
  readonly episode: number;
  /** Of `Incident.calls`, after the event. */
  readonly calls: number;
  /** The name of whoever did it, where there is one that has not been forgotten. */
  readonly who?: string;
  readonly event: IncidentEvent;
}

/**
 * A postmortem as a ticket is to show it. `marker` is in its text, where people can see it (a search does not look into comments of HTML), and nowhere else: what is searched for before one is made.
 * `incident`: its id, which names a file and labels an issue.
 */
export interface TicketText {
  readonly incident: string;
  readonly marker: string;
  readonly title: string;
  readonly markdown: string;
  readonly revision: number;
  readonly severity: Incident["severity"];
}

/** What came of an attempt. `retryable`: it may go well later, not before `retryAfterMs` from now where the other side has said so. */
export type Attempt =
  | { readonly outcome: "done"; readonly ticket?: Ticket }
  /** Nothing is to be told there: this destination has no words for such an event. */
  | { readonly outcome: "skipped" }
  | { readonly outcome: "failed"; readonly retryable: boolean; readonly retryAfterMs?: number; readonly why: string };

/** `telling/tell.ts`: never throws; never says a secret in `why`. */
export type Tell = (ways: Ways, destination: Destination, notice: Notice) => Promise<Attempt>;
/** `telling/ticket.ts`: makes one unless it is there, or changes the one that is. */
export type PutTicket = (
  ways: Ways,
  destination: Destination,
  text: TicketText,
  known: Ticket | undefined,
) => Promise<Attempt>;
