import type { Incident } from "@tooltrail/core/incidents/incident";
import type { Dead } from "@tooltrail/core/incidents/store";
import { windowText } from "@tooltrail/core/slo/rules";
import type { SloView } from "./types.ts";

export const openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** What there is to tell. */
export interface Figures {
  /** Of different names or places: two of the same would be a series told twice. */
  readonly slos: readonly SloView[];
  /** Those that have not ended. */
  readonly incidents: readonly Pick<Incident, "cause" | "severity" | "status">[];
  /** What was given up. */
  readonly undelivered: readonly { readonly effect: Pick<Dead["effect"], "tasks"> }[];
}

interface Family {
  readonly name: string;
  /** What the name ends with, as OpenMetrics asks. */
  readonly unit?: "ratio" | "seconds";
  /** Without quotes, backslashes and newlines: the two formats differ in how they escape them here. */
  readonly help: string;
  readonly samples: (figures: Figures) => readonly Sample[];
}

interface Sample {
  readonly labels?: Labels;
  readonly value: number;
}

type Labels = { readonly [name: string]: string | undefined };

const ofEachSlo =
  (samples: (view: SloView) => readonly Sample[]) =>
  ({ slos }: Figures): Sample[] =>
    slos.flatMap((view) =>
      samples(view).map(({ labels, value }) => ({ labels: { ...placeOf(view), ...labels }, value })),
    );

/** How many there are with the same labels. */
const counted = (all: readonly Labels[]): Sample[] =>
  [...Map.groupBy(all, (labels) => JSON.stringify(labels)).values()].map((alike) => ({
    ...(alike[0] && { labels: alike[0] }),
    value: alike.length,
  }));

/** All are gauges: what is counted over a period that moves on may become less. */
const families: readonly Family[] = [
  {
    name: "tooltrail_slo_objective_ratio",
    unit: "ratio",
    help: "The part of the calls (or slices, where the SLO counts those) that shall be good.",
    samples: ofEachSlo(({ target }) => [{ value: target }]),
  },
  {
    name: "tooltrail_slo_period_calls",
    help: "Calls (or slices) of the period so far that count.",
    samples: ofEachSlo(({ budget }) => [{ value: budget.total }]),
  },
  {
    name: "tooltrail_slo_period_bad_calls",
    help: "Those of them that are bad.",
    samples: ofEachSlo(({ budget }) => [{ value: budget.bad }]),
  },
  {
    name: "tooltrail_slo_error_budget_spent_ratio",
    unit: "ratio",
    help: "The part of the period's error budget that is spent; over 1 where more is.",
    samples: ofEachSlo(({ budget }) => [{ value: budget.spent }]),
  },
  {
    name: "tooltrail_slo_error_budget_remaining_ratio",
    unit: "ratio",
    help: "The part of the period's error budget that is left; below 0 where more is spent.",
    samples: ofEachSlo(({ budget }) => [{ value: budget.remaining }]),
  },
  {
    name: "tooltrail_slo_burn_rate",
    help: "Times as fast as would spend the budget just at the period's end, over a window of an alert; absent where it has no data.",
    samples: ofEachSlo(({ rules }) =>
      burns(rules).map(([minutes, value]) => ({ labels: { window: windowText(minutes) }, value })),
    ),
  },
  {
    name: "tooltrail_slo_alert_firing",
    help: "Whether an alert fires: 1 or 0.",
    samples: ofEachSlo(({ rules }) =>
      rules.map(({ name, severity, firing }) => ({ labels: { rule: name, severity }, value: firing ? 1 : 0 })),
    ),
  },
  {
    name: "tooltrail_slo_budget_exhaustion_timestamp_seconds",
    unit: "seconds",
    help: "When nothing of the budget is left, at the burn of the last six hours; absent where that does not spend it. Now, where nothing is left.",
    samples: ofEachSlo(({ budget: { exhaustedAt } }) => (exhaustedAt === null ? [] : [{ value: exhaustedAt / 1_000 }])),
  },
  {
    name: "tooltrail_slo_data_degraded",
    help: "1 for each reason for which the figures of the SLO cannot be relied on.",
    samples: ofEachSlo(({ degraded }) => degraded.map(({ what }) => ({ labels: { what }, value: 1 }))),
  },
  {
    name: "tooltrail_incidents_live",
    help: "Incidents that have not ended; of more than a thousand, the latest thousand.",
    samples: ({ incidents }) =>
      counted(
        incidents.map(({ cause: { environment, server, signal }, severity, status }) => ({
          environment,
          server,
          signal,
          severity,
          status,
        })),
      ),
  },
  {
    name: "tooltrail_incident_undelivered",
    help: "What was to be done because of incidents and was given up: told, run, drafted or filed. Kept for a month, until somebody retries it.",
    samples: ({ undelivered }) =>
      counted(
        undelivered
          .flatMap(({ effect }) => effect.tasks)
          .map((task) => ({ kind: task.kind, ...("destination" in task && { destination: task.destination }) })),
      ),
  },
];

/**
 * SLOs and incidents as OpenMetrics 1.0, in the order given. It is written so that a reader of Prometheus's older text format, to which `UNIT` and `EOF` are comments, reads the same.
 *
 * A label is absent where the selector does not name it, and where it names the empty text: to both formats an empty label is none.
 */
export function openMetrics(figures: Figures): string {
  const lines = families.flatMap(({ name, unit, help, samples }) => [
    `# TYPE ${name} gauge`,
    ...(unit ? [`# UNIT ${name} ${unit}`] : []),
    `# HELP ${name} ${help}`,
    // JavaScript writes integers up to 10^21 without an exponent, and whatever else it writes both formats read.
    ...samples(figures).map(({ labels, value }) => `${name}{${labelsText(labels)}} ${value}`),
  ]);
  return [...lines, "# EOF", ""].join("\n");
}

const placeOf = ({ name, sli, origin, selector }: SloView): Labels => ({
  slo: name,
  sli,
  origin,
  environment: selector.environment,
  server: selector.server,
  version: selector.version,
  tool: selector.tool,
});

const labelsText = (labels: Labels = {}): string =>
  Object.entries(labels)
    .flatMap(([name, value = ""]) => (value === "" ? [] : [`${name}="${escaped(value)}"`]))
    .join(",");

const escaped = (value: string): string =>
  value.replace(/[\\"\n]/g, (character) => (character === "\n" ? "\\n" : `\\${character}`));

/** By length of the window in minutes, shortest first, without those that have no data. Rules may share a window, which has one burn. */
function burns(rules: SloView["rules"]): [minutes: number, burn: number][] {
  const byMinutes = new Map<number, number>();
  for (const { longMinutes, shortMinutes, burnLong, burnShort } of rules) {
    if (burnLong !== null) byMinutes.set(longMinutes, burnLong);
    if (burnShort !== null) byMinutes.set(shortMinutes, burnShort);
  }
  return [...byMinutes].sort(([a], [b]) => a - b);
}
