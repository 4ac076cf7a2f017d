import { standardRules } from "@tooltrail/core/slo/rules";
import type { RuleView, SloView } from "@tooltrail/core/slo/status";
import type { Figures } from "../../packages/api/src/open-metrics.ts";

/** An SLO with the standard rules, of which nothing fires, and a budget of which a quarter is spent. */
export const aSloView = (more: Partial<SloView> = {}): SloView => ({
  name: "availability:files",
  origin: "default",
  sli: "availability",
  selector: { environment: "", server: "files" },
  target: 0.995,
  period: { kind: "rolling", minutes: 43_200 },
  budget: { total: 40_000, bad: 50, spent: 0.25, remaining: 0.75, exhaustedAt: null },
  rules: aRuleViews(),
  hours: [],
  degraded: [],
  ...more,
});

/** The standard rules, of which those named fire. */
export const aRuleViews = (firing: readonly string[] = []): RuleView[] =>
  standardRules.map(({ name, severity, longMinutes, shortMinutes }) => ({
    name,
    severity,
    longMinutes,
    shortMinutes,
    burnLong: 1 / longMinutes,
    burnShort: 1 / shortMinutes,
    firing: firing.includes(name),
    ...(firing.includes(name) && { since: 1_800_000_000_000 }),
  }));

/** SLOs of which everything that can be told is to tell. */
export const fullSloViews: readonly SloView[] = [
  aSloView(),
  aSloView({
    name: "refunds",
    displayName: "Refunds are answered",
    origin: "defined",
    version: 3,
    sli: "latency",
    selector: { environment: "production", server: "billing", version: "2.*", tool: "refund" },
    threshold: { asked: 500_000, edge: 506_000 },
    budget: { total: 1_000, bad: 20, spent: 4, remaining: -3, exhaustedAt: 1_800_000_060_000 },
    rules: aRuleViews(["page-1h", "ticket-1d"]),
    degraded: [{ what: "unknown_outcomes", since: 1_800_000_000_000 }],
  }),
];

/** SLOs, and no incidents. */
export const figuresOf = (slos: readonly SloView[]): Figures => ({ slos, incidents: [], undelivered: [] });

const burning = {
  cause: { environment: "production", server: "billing", tool: "", signal: "availability" },
  severity: "page",
  status: "open",
} as const;

/** Something of every family. */
export const fullFigures: Figures = {
  slos: fullSloViews,
  incidents: [
    burning,
    { ...burning, cause: { ...burning.cause, tool: "refund" } },
    {
      ...burning,
      cause: { ...burning.cause, environment: "", server: "files" },
      severity: "ticket",
      status: "mitigated",
    },
  ],
  undelivered: [
    { effect: { tasks: [{ kind: "tell", destination: "pager", n: 1, attempts: 9, since: 1, dueAt: 2 }] } },
    { effect: { tasks: [{ kind: "draft", n: 2, attempts: 9, since: 1, dueAt: 2 }] } },
  ],
};
