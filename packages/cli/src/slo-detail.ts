import type { RuleView, SloAnswer } from "@tooltrail/api/types";
import { windowText } from "@tooltrail/core/slo/rules";
import {
  budgetText,
  burnText,
  indicatorText,
  type Paint,
  percentText,
  periodText,
  sparkline,
  stateText,
  timeText,
} from "./slo-text.ts";
import { plain } from "./table.ts";

const origins: { readonly [origin in SloAnswer["origin"]]: string } = {
  defined: "defined",
  default: "a default: nobody has defined it",
  own: "tooltrail's own",
};

/** One SLO in lines: how it stands, its rules, what burns it, and how its definition came about. */
export function detailOf(slo: SloAnswer, nowMs: number, paint: Paint): string {
  const { name, displayName, budget, target, slices, hours, rules, burners, versions } = slo;
  const bar = budgetText(budget.remaining);
  const state = stateText(slo, nowMs);
  const sliced = slices
    ? ` of slices of ${windowText(slices.minutes)}, each good from ${percentText(slices.target)} on`
    : "";
  const what = slices ? "slices" : "calls";
  return [
    plain(displayName === undefined ? name : `${name}: ${displayName}`),
    `${indicatorText(slo)}, ${percentText(target)}${sliced} ${periodText(slo.period)}; ${originText(slo)}`,
    "",
    `state          ${paint(state.colour, state.text)}`,
    ...slo.degraded.map(
      (one) => `               ${plain(one.what).replaceAll("_", " ")} since ${timeText(one.since, nowMs)}`,
    ),
    `budget left    ${paint(bar.colour, bar.text)}, ${budget.bad} of ${budget.total} ${what} are bad`,
    `               ${exhaustionText(budget, nowMs)}`,
    `last 24 hours  ${sparkline(hours, target)}`.trimEnd(),
    "",
    ...(rules.length === 0 ? ["No alerts."] : rules.map((rule) => ruleText(rule, nowMs, paint))),
    ...burnersText("tools", burners.tools),
    ...burnersText("versions", burners.versions),
    ...burnersText(
      "principals",
      burners.principals.map(({ name: ref, subject = ref, bad }) => ({ name: subject, bad })),
    ),
    ...(versions.length === 0 ? [] : ["", "Versions of its definition:"]),
    ...versions.map(
      ({ version, appliedAt, source, removed }) =>
        `  ${String(version).padEnd(4)} ${new Date(appliedAt).toISOString()} ${removed ? "removed" : "applied"} by a ${plain(source)}`,
    ),
  ]
    .map((line) => `${line}\n`)
    .join("");
}

const originText = ({ origin, version }: SloAnswer): string =>
  version === undefined ? origins[origin] : `${origins[origin]}, version ${version}`;

function exhaustionText({ exhaustedAt, remaining }: SloAnswer["budget"], nowMs: number): string {
  if (remaining <= 0) return "nothing is left";
  if (exhaustedAt === null) return "at the burn of the last six hours, it lasts";
  return `at the burn of the last six hours, nothing is left by ${timeText(exhaustedAt, nowMs)}`;
}

/** `page-1h     1h 16.7x   5m 100.0x  firing since 12:03Z` */
function ruleText(
  { name, severity, longMinutes, shortMinutes, ...rule }: RuleView,
  nowMs: number,
  paint: Paint,
): string {
  const burn = (minutes: number, value: number | null): string =>
    `${windowText(minutes).padStart(4)} ${burnText(value).padEnd(7)}`;
  const since = rule.since === undefined ? "" : ` since ${timeText(rule.since, nowMs)}`;
  const state = rule.firing ? paint(severity === "page" ? "red" : "yellow", `firing${since}`) : "";
  return `${plain(name).padEnd(12)} ${burn(longMinutes, rule.burnLong)} ${burn(shortMinutes, rule.burnShort)} ${state}`.trimEnd();
}

const burnersText = (what: string, burners: readonly { readonly name: string; readonly bad: number }[]): string[] =>
  burners.length === 0
    ? []
    : ["", `Bad by ${what}:`, ...burners.map(({ name, bad }) => `  ${String(bad).padStart(8)} ${plain(name) || '""'}`)];
