import type { RuleEvent, Rules } from "@tooltrail/local/rules";

type Write = (text: string) => void;

/** On a terminal only what needs a person is worth a line: a log that stands still, a witness that is away, a budget that burns so that somebody would be paged, and what becomes of an incident. */
export function sayOnTerminal(rules: Rules, write: Write): void {
  rules.on("integrity.conflict", sayHalt(write));
  rules.on("log.witness.missed", sayMissed(write));
  rules.on("slo.burn.started", ({ detail }) => sayBurn(detail as Burn, "burns", write));
  rules.on("slo.burn.cleared", ({ detail }) => sayBurn(detail as Burn, "burns no more", write));
  rules.on("detector.fired", ({ detail }) => sayFinding(detail as Finding, write));
  rules.on("notice.undelivered", ({ detail }) => {
    const { incident, destination, why } = detail as { incident: string; destination: string; why: string };
    write(plain(`tooltrail: ${incident}: ${destination} was not told: ${why} See npx tooltrail incident undelivered`));
  });
  for (const [type, words] of Object.entries(ofIncidents))
    rules.on(type, ({ detail }) => sayIncident(detail as IncidentLine, words, write));
}

interface Burn {
  readonly slo: string;
  readonly rule: string;
  readonly severity: string;
  readonly burnLong: number;
  readonly burners?: { readonly tools: readonly { readonly name: string; readonly bad: number }[] };
}

function sayBurn({ slo, rule, severity, burnLong, burners }: Burn, what: string, write: Write): void {
  if (severity !== "page") return;
  const [tool] = burners?.tools ?? [];
  const worst = tool === undefined ? "" : `, most of it by ${tool.name} (${tool.bad} bad calls)`;
  write(plain(`tooltrail: ${slo} ${what}: ${rule}, ${burnLong} times as fast as its budget allows${worst}`));
}

interface Finding {
  readonly detector: string;
  readonly severity: string;
  readonly server: string;
  readonly detail: string;
}

function sayFinding({ detector, severity, server, detail }: Finding, write: Write): void {
  if (severity === "page") write(plain(`tooltrail: ${detector} at ${server}: ${detail}`));
}

/** What a person at the terminal wants to know of an incident, and in which words. */
const ofIncidents: { readonly [type: string]: (said: IncidentLine) => string } = {
  "incident.opened": () => "opened; see npx tooltrail incident show latest",
  "incident.reopened": () => "open again",
  "incident.escalated": ({ level, round }) => `escalated to level ${level}, round ${round}`,
  "incident.escalation.exhausted": () => "nobody has come, however often everybody was told",
  "rollback.requested": ({ runbook, serverVersion }) =>
    `roll back ${serverVersion ?? "the server"}${runbook === undefined ? "; there is no runbook for it" : ` by the runbook ${runbook.name}`}`,
  "incident.mitigated": () => "mitigated",
  "incident.resolved": () => "resolved",
};

interface IncidentLine {
  readonly incident: string;
  readonly title: string;
  readonly severity: string;
  readonly level?: number;
  readonly round?: number;
  readonly serverVersion?: string;
  readonly runbook?: { readonly name: string };
}

function sayIncident(said: IncidentLine, words: (said: IncidentLine) => string, write: Write): void {
  if (said.severity === "page") write(plain(`tooltrail: ${said.incident}, ${said.title}: ${words(said)}`));
}

/** Names come from servers and clients: nothing of them may steer the terminal. */
const plain = (text: string): string => `${text.replace(/\p{C}/gu, "?")}\n`;

/** A log that stands still needs a person: loud, but not with every try. */
function sayHalt(write: Write): (event: RuleEvent) => void {
  const say = atMostEachMinute(write);
  return ({ detail }) => {
    const { what, object, detail: why } = detail as { what: string; object: string; detail: string };
    if (what !== "log_diverged") return;
    say(
      `tooltrail: THE LOG STANDS STILL. ${object}: ${why}\ntooltrail: records are taken and kept, and come into the log once a person has looked; see "When the log stands still" in the README.\n`,
    );
  };
}

function sayMissed(write: Write): (event: RuleEvent) => void {
  const sayOf = new Map<string, (text: string) => void>();
  return ({ detail }) => {
    const { witness, size, why } = detail as { witness: string; size: number; why: string };
    // Each by itself: one that is always away must not hide another.
    const say = sayOf.get(witness) ?? atMostEachMinute(write);
    sayOf.set(witness, say);
    say(
      `tooltrail: the witness ${witness} did not sign the checkpoint of ${size} leaves: ${why.replace(/\.?$/, ".")} It is published without, and the witness is asked again each minute.\n`,
    );
  };
}

function atMostEachMinute(write: Write): Write {
  let saidAtMs = Number.NEGATIVE_INFINITY;
  return (text) => {
    if (Date.now() - saidAtMs < 60_000) return;
    saidAtMs = Date.now();
    write(text);
  };
}
