import { bodyLines, type ControlRecord, parseRecordId, upcast } from "@tooltrail/format";
import type { Projections } from "../follow/ports.ts";
import type { Alert, Incident, IncidentEvent } from "../incidents/incident.ts";
import type { ProverPorts } from "../log/prove.ts";
import { isOwnAct, ownActRecord } from "../own-acts.ts";
import type { Ledger } from "../ports.ts";
import type { Slo } from "../slo/slo.ts";
import { type Known, readSlos } from "../slo/slos.ts";
import { minuteMs, minuteOf } from "../slo/time.ts";
import { changesIn, controlText, ownActText } from "./candidates.ts";
import { contractsOf } from "./contracts.ts";
import { type Failing, findFailing, maxBatches, maxFailing } from "./failing.ts";
import { type Counted, impactOf } from "./impact.ts";
import { judgeOf } from "./judge.ts";
import type { Candidate, ContractTestItem, EvidenceItem, Impact } from "./postmortem.ts";
import { addReceipts } from "./receipts.ts";
import { findFirstMinute, startOf } from "./start.ts";
import type { Found, Span } from "./walk.ts";

/** What a postmortem is drafted from. `log` is what receipts are made by. */
export interface EvidencePorts {
  readonly ledger: Pick<Ledger, "read" | "newestFirst">;
  readonly projections: Projections;
  readonly log: ProverPorts;
}

/** What the records say of an incident. */
export interface Evidence {
  /** When it began to hurt: the first bad record of the run of bad minutes that the alert ended; where counters know of none, the first in the alert's window; else what the alert says. */
  readonly startedAt: number;
  readonly impact: Impact;
  readonly candidates: readonly Candidate[];
  readonly records: readonly EvidenceItem[];
  readonly contractTests: readonly ContractTestItem[];
  readonly limits: readonly string[];
  /** Records whose receipts are missing, since the log does not have them yet: it will in seconds. */
  readonly missingReceipts: readonly string[];
}

const maxLookbackMs = 120 * minuteMs;
/** Of an alert whose objective, or rule, there is no more. */
const usualLookbackMs = 60 * minuteMs;

/**
 * Reads what is to be known of an incident. What it reads is bounded, whatever the number of calls; what was left out is said in `limits`. Nothing is written.
 *
 * @param nowMs the end, where it is not resolved.
 * @throws AppError unavailable where counters were made anew meanwhile: try again; what a port throws.
 */
export async function collectEvidence(
  { ledger, projections, log }: EvidencePorts,
  incident: Incident,
  events: readonly IncidentEvent[],
  nowMs: number,
): Promise<Evidence> {
  const { cause } = incident;
  const known = await readSlos(projections, nowMs);
  const counted: Counted = { projections, known };
  const alerts = alertsOf(incident, events);
  const slo = objectiveOf(known, incident, alerts);
  const judge = judgeOf(cause.signal, slo?.indicator.threshold);

  const lookbackMs = lookbackOf(slo, alerts);
  const first = await findFirstMinute(counted, { cause, judge, slo }, incident.startedAt, lookbackMs);
  const searched: Span = {
    fromMs: first === undefined ? incident.startedAt - lookbackMs : first * minuteMs,
    toMs: (minuteOf(endOf(events) ?? nowMs) + 1) * minuteMs,
  };
  const failing = await findFailing(ledger, { cause, judge }, searched);
  const startedAt = startOf(first, failing, incident.startedAt);
  const span = { fromMs: minuteOf(startedAt) * minuteMs, toMs: searched.toMs };
  const impact = await impactOf(counted, { cause, judge, slo }, failing, span);

  const before = { fromMs: startedAt - maxLookbackMs, toMs: startedAt };
  const changes = await changesIn(counted, ledger, cause, {
    fromMs: before.fromMs,
    toMs: Math.max(startedAt, incident.openedAt) + 1,
  });
  const contracts = await contractsOf({ ledger, projections }, cause, failing, before);
  const commands = await commandsIn(ledger, events);
  const ownActs = ownActsOf(incident.id, events);
  const found = [...firstFailures(failing), ...commands, ...(await ownActsIn(ledger, ownActs))].slice(0, maxRecords);
  const receipts = await addReceipts(log, found);
  await known.mustBeCurrent();
  return {
    startedAt,
    impact,
    candidates: changes.listed,
    records: receipts.evidence,
    contractTests: contracts.tests,
    missingReceipts: receipts.missing,
    limits: [
      ...limitsOf(incident, failing, impact),
      ...changes.limits,
      ...contracts.limits,
      ...ownActLimits(ownActs, found),
      ...receipts.limits,
    ],
  };
}

/** Those of the incident's own cause; of one that was made of others, all. */
function alertsOf({ cause }: Incident, events: readonly IncidentEvent[]): readonly Alert[] {
  const all = events.flatMap((event) => (event.type === "incident.alerted" ? event.alerts : []));
  const isOwn = (alert: Alert): boolean =>
    (["environment", "server", "tool", "signal"] as const).every((name) => alert.cause[name] === cause[name]);
  const mine = all.filter(isOwn);
  return mine.length > 0 ? mine : all.filter((alert) => alert.cause.signal === cause.signal);
}

/** Whose budget it burnt: the first objective that alerted; of an incident that was made of others, one of theirs. None where it was a detector. */
function objectiveOf({ slos }: Known, { cause, alerts }: Incident, own: readonly Alert[]): Slo | undefined {
  const others = Object.values(alerts).filter((one) => one.cause.signal === cause.signal);
  return [...own, ...others]
    .map(({ source }) => slos.find(({ slo: { name } }) => name === source)?.slo)
    .find((slo) => slo !== undefined);
}

/** An alert says when it began to fire; what made it fire lies in its long window before. */
function lookbackOf(slo: Slo | undefined, alerts: readonly Alert[]): number {
  const windows = (slo?.rules ?? [])
    .filter(({ name }) => alerts.some(({ rule, source }) => source === slo?.name && rule === name))
    .map(({ longMinutes }) => longMinutes * minuteMs);
  return windows.length === 0 ? usualLookbackMs : Math.min(maxLookbackMs, Math.max(...windows));
}

const endOf = (events: readonly IncidentEvent[]): number | undefined =>
  events.findLast(({ type }) => type === "incident.resolved")?.at;

const maxRecords = 20;
const maxFailures = 12;
const maxFirst = 3;

/** The first failures of all, and the first of each tool and outcome. */
function firstFailures({ records }: Failing): EvidenceItem[] {
  const chosen = new Map(records.slice(0, maxFirst).map((found) => [found.id, found]));
  const seen = new Set<string>();
  for (const found of records) {
    const kind = failureText(found);
    if (!seen.has(kind) && chosen.size < maxFailures) chosen.set(found.id, found);
    seen.add(kind);
  }
  return [...chosen.values()].map((found) => ({
    record: found.id,
    at: found.record.at,
    what: failureText(found),
  }));
}

/** What kind of failure a record is one of. */
function failureText({ record, server }: Found): string {
  if (record.kind === "score") return `A score of ${record.tool} of ${server.id}, in ${record.suite}.`;
  if (record.kind !== "call") return `A record about ${server.id}.`;
  const { class: layer, reason } = record.outcome;
  return `A call of ${record.tool} of ${server.id} that ended as ${layer}${reason === undefined ? "" : ` (${reason})`}.`;
}

/** Commands of people, each with the record that proves it. */
async function commandsIn(ledger: Pick<Ledger, "read">, events: readonly IncidentEvent[]): Promise<EvidenceItem[]> {
  const ids = [...new Map(events.flatMap(({ record, at }) => (record === undefined ? [] : [[record, at] as const])))];
  return Promise.all(
    ids.slice(0, maxRecords).map(async ([id, at]) => {
      const record = await controlRecord(ledger, id);
      const what = record === undefined ? "A command." : `The command ${controlText(record)}.`;
      return { record: id, at: record?.at ?? at, what };
    }),
  );
}

/** Records of what the pipeline did by itself, but for its checks, which are many. */
const ownActsOf = (incident: string, events: readonly IncidentEvent[]): string[] =>
  events.flatMap((event, i) =>
    isOwnAct(event) && event.type !== "gate.checked"
      ? [ownActRecord({ incident, version: i + 1, type: event.type, at: event.at })]
      : [],
  );

/** Those that are there: a record comes by the bus, and may be on its way yet. */
async function ownActsIn(ledger: Pick<Ledger, "read">, ids: readonly string[]): Promise<EvidenceItem[]> {
  const found = await Promise.all(
    ids.slice(0, maxRecords).map(async (id) => ({ id, record: await controlRecord(ledger, id) })),
  );
  return found.flatMap(({ id, record }) =>
    record === undefined ? [] : [{ record: id, at: record.at, what: `By itself: ${ownActText(record)}.` }],
  );
}

function ownActLimits(ids: readonly string[], found: readonly EvidenceItem[]): string[] {
  const left = ids.filter((id) => !found.some(({ record }) => record === id)).length;
  return left === 0
    ? []
    : [
        `Acts of the pipeline by itself that are not among the records: ${left}. See \`records --kind control --principal pipeline\`.`,
      ];
}

async function controlRecord(ledger: Pick<Ledger, "read">, id: string): Promise<ControlRecord | undefined> {
  const place = parseRecordId(id);
  const batch = place && (await ledger.read(place.emitter, place.seq));
  const line = batch && bodyLines(batch.body)?.[place.index];
  const record = line === undefined ? undefined : upcast(JSON.parse(line));
  return record?.kind === "control" ? record : undefined;
}

function limitsOf({ cause }: Incident, { records, isCut }: Failing, { calls }: Impact): string[] {
  return [
    ...(isCut
      ? [
          `There is more than was looked at: ${records.length} failing records were seen (at most ${maxFailing}, in the last ${maxBatches} batches, and those of the first minute). Whom and what it hit, and the first failures of each kind, are told by these.`,
        ]
      : []),
    ...(!isCut && calls.bad < records.length && cause.signal === "availability"
      ? [
          `The counters had counted ${calls.bad} failing calls by then, and the ledger has ${records.length}: some had just arrived.`,
        ]
      : []),
    ...(cause.signal === "silent_regression"
      ? ["No single record is bad in a silent regression: scores sank on average."]
      : []),
  ];
}
