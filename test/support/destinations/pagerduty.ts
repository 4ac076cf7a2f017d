import {
  type Answer,
  answering,
  type Destination,
  isObject,
  isText,
  objectIn,
  Refused,
  startServer,
  type Taken,
} from "./server.ts";

/** As PagerDuty groups events: those with one key are one incident until it is resolved. */
export interface PagerDutyIncident {
  readonly dedupKey: string;
  state: "triggered" | "acknowledged" | "resolved";
  /** Of its events, oldest first. */
  readonly actions: string[];
  /** What the last trigger said. */
  payload: { readonly [name: string]: unknown };
}

export interface PagerDuty extends Destination {
  readonly routingKey: string;
  incidents(): readonly PagerDutyIncident[];
}

/** Events API v2 (https://developer.pagerduty.com/docs/send-alert-event), with one integration. An event about nothing is taken, and does nothing. */
export async function startPagerDuty(routingKey = "r0uting0key0of0thirty0two0digits"): Promise<PagerDuty> {
  const incidents: PagerDutyIncident[] = [];
  const server = await startServer((taken) => answering(() => enqueue(taken)));

  function enqueue(taken: Taken): Answer {
    if (taken.method !== "POST" || taken.path !== "/v2/enqueue") return { status: 404, body: "Not found" };
    const event = objectIn(taken, invalid);
    if (event.routing_key !== routingKey)
      throw invalid("Length of 'routing_key' is incorrect (should be 32 characters)");
    const { event_action: action, dedup_key: key } = event;
    if (action !== "trigger" && action !== "acknowledge" && action !== "resolve")
      throw invalid("'event_action' is invalid");
    if (!isText(key, 255)) throw invalid("'dedup_key' is missing or too long");
    if (action === "trigger") check(event);
    apply(key, action, isObject(event.payload) ? event.payload : {});
    return { status: 202, body: { status: "success", message: "Event processed", dedup_key: key } };
  }

  function apply(
    dedupKey: string,
    action: "trigger" | "acknowledge" | "resolve",
    payload: PagerDutyIncident["payload"],
  ) {
    const open = incidents.find((one) => one.dedupKey === dedupKey && one.state !== "resolved");
    if (action === "trigger") {
      // What is acknowledged stays so: another trigger joins it.
      if (open === undefined) incidents.push({ dedupKey, state: "triggered", actions: [action], payload });
      else Object.assign(open, { payload });
    } else if (open !== undefined) open.state = action === "resolve" ? "resolved" : "acknowledged";
    open?.actions.push(action);
  }

  return { ...server, url: `${server.url}/v2/enqueue`, routingKey, incidents: () => incidents };
}

function check({ payload, links = [], client }: { readonly [name: string]: unknown }): void {
  if (!isObject(payload)) throw invalid("'payload' is missing or blank");
  if (!isText(payload.summary, 1_024)) throw invalid("'payload.summary' is missing, blank or too long");
  if (!isText(payload.source, 255)) throw invalid("'payload.source' is missing or blank");
  if (!["critical", "error", "warning", "info"].includes(String(payload.severity)))
    throw invalid(
      "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')",
    );
  if (payload.timestamp !== undefined && Number.isNaN(Date.parse(String(payload.timestamp))))
    throw invalid("'payload.timestamp' is no time");
  for (const name of ["component", "group", "class"])
    if (payload[name] !== undefined && typeof payload[name] !== "string") throw invalid(`'payload.${name}' is no text`);
  if (payload.custom_details !== undefined && !isObject(payload.custom_details))
    throw invalid("'payload.custom_details' is no object");
  if (client !== undefined && typeof client !== "string") throw invalid("'client' is no text");
  const isLink = (link: unknown): boolean =>
    isObject(link) && URL.canParse(String(link.href)) && isText(link.text, 1_000);
  if (!Array.isArray(links) || !links.every(isLink)) throw invalid("'links' are none");
}

const invalid = (why: string): Refused =>
  new Refused({
    status: 400,
    body: { status: "invalid event", message: "Event object is invalid", errors: [why] },
  });
