import type { PipelineEvent } from "@tooltrail/format";
import { ownServer } from "../own-server.ts";
import { signals } from "../response/response.ts";
import { asWritten, causeOf } from "./cause.ts";
import type { Alert, Cause } from "./incident.ts";

/** Everything that can make an incident. */
export const alertingTypes = [
  "slo.burn.started",
  "slo.burn.updated",
  "slo.burn.cleared",
  "slo.data.degraded",
  "detector.fired",
] as const satisfies PipelineEvent["type"][];

/** Figures that are late, or lost, need somebody; that nobody calls a server, or that some calls have no end, does not. */
const degradations: readonly string[] = ["behind", "records_lost"];

/** @returns undefined for an event that is no alert. */
export function alertOf(event: PipelineEvent): Alert | undefined {
  switch (event.type) {
    case "slo.burn.started":
    case "slo.burn.updated":
    case "slo.burn.cleared": {
      const { slo, rule, severity, sli, at, startedAt, burnLong, longMinutes } = event;
      const version = "burners" in event ? event.burners.versions[0]?.name : undefined;
      const isCleared = event.type === "slo.burn.cleared";
      return {
        cause: causeOf(event, sli, event.literal === true),
        state: isCleared ? "cleared" : "firing",
        severity,
        source: slo,
        rule,
        // An empty name is that of calls whose server names no version.
        ...(version && { version }),
        startedAt,
        at,
        text: isCleared
          ? `${slo} burns no more (${rule}).`
          : `${slo} burns its budget ${Math.round(burnLong * 10) / 10} times as fast as it may, over ${spanText(longMinutes)} (${rule}).`,
      };
    }
    case "detector.fired": {
      const signal = signals.find((one) => one === event.detector);
      if (signal === undefined) return undefined;
      return {
        cause: causeOf(event, signal, true),
        state: "firing",
        severity: event.severity,
        source: event.detector,
        rule: event.version ?? "finding",
        ...(event.version && { version: event.version }),
        startedAt: event.at,
        at: event.at,
        text: event.detail,
      };
    }
    case "slo.data.degraded":
      if (!degradations.includes(event.what)) return undefined;
      return {
        cause: { environment: "*", server: ownServer, tool: "", signal: "data_degraded" },
        state: event.state === "started" ? "firing" : "cleared",
        severity: "ticket",
        source: event.slo ?? "counters",
        rule: event.what,
        startedAt: event.at,
        at: event.at,
        text: event.detail,
      };
    default:
      return undefined;
  }
}

/** `5 min`, `6 h`, `3 d`. */
function spanText(minutes: number): string {
  if (minutes % 1_440 === 0) return `${minutes / 1_440} d`;
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${minutes} min`;
}

/** `availability of billing in production`. */
export function aboutText({ environment, server, tool, signal }: Cause): string {
  const what = tool === "" || tool === "*" ? "" : `${tool} of `;
  const whose = server === "*" ? "all servers" : server;
  const where = environment === "*" || environment === "" ? "" : ` in ${environment}`;
  return asWritten(`${signal.replaceAll("_", " ")} of ${what}${whose}${where}`);
}
