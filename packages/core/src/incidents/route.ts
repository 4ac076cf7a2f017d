import { causeKey, isAt, isWithin } from "./cause.ts";
import { minuteMs } from "./evolve.ts";
import type { Cause, Incident } from "./incident.ts";

/** Siblings that open within this time have something in common. */
export const groupWithinMs = 5 * minuteMs;
/** So many tools of one server, or so many servers of one environment, with the same signal, are one incident. */
const toolsToGroup = 3;
const serversToGroup = 5;

/**
 * The causes that lead to where an alert belongs, where nothing live is about it: the widest first. A server's incident takes its tools' alerts, an environment's those of all its servers, of the same signal; so nobody is
 * called twice for one thing.
 */
export function causesAround(cause: Cause): Cause[] {
  const { environment, server, signal } = cause;
  const around: Cause[] = [
    { environment, server: "*", tool: "", signal },
    { environment, server, tool: "", signal },
    cause,
  ];
  const keys = around.map(causeKey);
  return around.filter((_, i) => keys.indexOf(keys[i] ?? "") === i);
}

/** Those that a wider one takes in, as nobody mitigates them yet. */
export const childrenOf = (parent: Cause, live: readonly Incident[]): Incident[] =>
  live.filter(({ status, cause }) => (status === "open" || status === "acknowledged") && isWithin(parent, cause));

/** A page about a server is known to whoever is called: what else is the matter with it, and would wait for office hours, is a part of that. Of several servers together that cannot be said. */
export const inhibits = (incident: Incident, cause: Cause): boolean =>
  incident.severity === "page" &&
  incident.cause.server !== "*" &&
  incident.cause.signal !== cause.signal &&
  isAt(incident.cause, cause);

/** Tickets that a page takes in. */
export const ticketsOf = (page: Incident, live: readonly Incident[]): Incident[] =>
  live.filter(
    ({ status, severity, cause }) =>
      severity === "ticket" && (status === "open" || status === "acknowledged") && inhibits(page, cause),
  );

/**
 * The wider cause that an incident which has just opened has in common with others: three tools of a server, or five servers of an environment, within five minutes.
 *
 * @param live incidents that have not ended, the new one among them.
 */
export function commonCause({ cause }: Incident, live: readonly Incident[], nowMs: number): Cause | undefined {
  const { environment, server, tool, signal } = cause;
  if (server === "*") return undefined;
  const lately = live.filter(({ openedAt }) => nowMs - openedAt <= groupWithinMs);
  const everywhere: Cause = { environment, server: "*", tool: "", signal };
  const servers = new Set(childrenOf(everywhere, lately).map((child) => child.cause.server));
  if (servers.size >= serversToGroup) return everywhere;
  const whole: Cause = { environment, server, tool: "", signal };
  const tools = new Set(childrenOf(whole, lately).map((child) => child.cause.tool));
  return tool !== "" && tools.size >= toolsToGroup ? whole : undefined;
}
