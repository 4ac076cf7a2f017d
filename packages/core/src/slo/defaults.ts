import { ownServer } from "../own-server.ts";
import { nearestEdge } from "./buckets.ts";
import { complement, type Ratio } from "./ratio.ts";
import { canFire, standardRules } from "./rules.ts";
import type { Indicator, Rule, Selector, Slo } from "./slo.ts";
import { minutesPerDay } from "./time.ts";

const period = { kind: "rolling", minutes: 30 * minutesPerDay } as const;

const per = (denominator: number, numerator: number): Ratio => ({ numerator, denominator });

function slo(name: string, displayName: string, indicator: Indicator, target: Ratio): Slo {
  const budget = complement(target);
  const rules: readonly Rule[] = standardRules.filter((rule) => canFire(rule, budget, period.minutes));
  return { name, displayName, indicator, budget, period, rules };
}

const threshold = (us: number) => ({ asked: us, edge: nearestEdge(us) });

/** A server in an environment; one without has the empty text. */
export interface ServerPlace {
  readonly environment: string;
  readonly server: string;
}

/**
 * What is expected of a server that nobody has defined anything for: 99.5 % of its calls do not fail by its own fault, and 95 % of those that go well are answered within 10 s, over 30
 * days. A definition of the same SLI that names the server, and all of it, takes the place of the default.
 */
export function defaultSlos({ environment, server }: ServerPlace, defined: readonly Slo[]): Slo[] {
  const whose = { selector: { environment, server }, literal: true } as const;
  // An "@" of its own must not make a server pass for another one's environment.
  const name = server.replaceAll("%", "%25").replaceAll("@", "%40");
  const where = environment === "" ? name : `${name}@${environment}`;
  const all = [
    slo(`availability:${where}`, `Availability of ${where}`, { sli: "availability", ...whose }, per(1_000, 995)),
    slo(
      `latency:${where}`,
      `Latency of ${where}`,
      { sli: "latency", ...whose, threshold: threshold(10_000_000) },
      per(100, 95),
    ),
  ];
  return all.filter(
    ({ indicator: { sli } }) =>
      !defined.some(
        ({ indicator }) =>
          indicator.sli === sli &&
          isWhole(indicator.selector) &&
          indicator.selector.server === server &&
          (indicator.selector.environment === undefined || indicator.selector.environment === environment),
      ),
  );
}

const isWhole = ({ tool, version }: Selector): boolean => tool === undefined && version === undefined;

const own = (tool: string): Indicator["selector"] => ({ environment: "", server: ownServer, tool });

/**
 * What tooltrail promises of itself, on the same engine: batches are in the ledger a minute after their last record; what is in the ledger is in the signed log, and what is in the log is counted, within a
 * minute (both looked at once a minute); and what arrives can be read.
 */
export const ownSlos: readonly Slo[] = [
  slo(
    "tooltrail:bus-to-ledger",
    "Batches are in the ledger within a minute",
    { sli: "latency", selector: own("bus-to-ledger"), threshold: threshold(60_000_000) },
    per(100, 99),
  ),
  slo(
    "tooltrail:ledger-to-log",
    "The ledger is in the signed log within a minute",
    { sli: "availability", selector: own("ledger-to-log") },
    per(100, 99),
  ),
  slo(
    "tooltrail:log-to-counters",
    "The log is counted within a minute",
    { sli: "availability", selector: own("log-to-counters") },
    per(100, 99),
  ),
  slo(
    "tooltrail:quarantine",
    "What arrives can be read",
    { sli: "availability", selector: own("quarantine") },
    per(100, 99),
  ),
];
