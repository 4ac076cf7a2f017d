import type { Cause } from "../incidents/incident.ts";
import { fits } from "../slo/selection.ts";
import { playbooks as builtIn, fallbackPlaybook } from "./playbooks.ts";
import {
  defaultPolicy,
  type Playbook,
  type ResponsePolicy,
  type Runbook,
  type Severity,
  type Trigger,
} from "./response.ts";
import { isInRange, isNarrower } from "./versions.ts";

/** What is known when something befalls a server. Spans in minutes; absent: it was not, or nobody knows. */
export interface PickFacts {
  readonly cause: Cause;
  readonly severity: Severity;
  readonly minutesSinceRelease?: number;
  readonly minutesSinceChange?: number;
  readonly volumeRatio?: number;
  readonly environmentsDiffer: boolean;
}

/** Own ones, and those built in whose ids no own one has. */
export const allPlaybooks = (own: readonly Playbook[]): Playbook[] => [
  ...own,
  ...builtIn.filter(({ id }) => !own.some((one) => one.id === id)),
];

/**
 * The playbook of something that has happened: an own one before any that is built in, then the one that asks for the most, then the first by id. Where none fits, the one for what fails.
 *
 * @param own may hold built-in ones, too.
 */
export function pickPlaybook(own: readonly Playbook[], facts: PickFacts): Playbook {
  const isOwn = (playbook: Playbook): boolean => !builtIn.includes(playbook);
  const all = allPlaybooks(own.filter(isOwn));
  const fitting = all.flatMap((playbook) => {
    const asked = playbook.trigger.filter((trigger) => holds(trigger, facts)).map(conditionsOf);
    return asked.length === 0 ? [] : [{ playbook, rank: Math.max(...asked) }];
  });
  const [first] = fitting.sort(
    (a, b) =>
      Number(isOwn(b.playbook)) - Number(isOwn(a.playbook)) || b.rank - a.rank || byText(a.playbook.id, b.playbook.id),
  );
  return first?.playbook ?? all.find(({ id }) => id === fallbackPlaybook.id) ?? fallbackPlaybook;
}

function holds(trigger: Trigger, { cause, severity, environmentsDiffer, ...facts }: PickFacts): boolean {
  const within = (minutes: number | undefined, most: number | undefined): boolean =>
    most === undefined || (minutes !== undefined && minutes <= most);
  const { volumeRatio } = trigger;
  return (
    trigger.signals.includes(cause.signal) &&
    (trigger.severity === undefined || trigger.severity === severity) &&
    isMeant(trigger.environment, cause.environment) &&
    isMeant(trigger.server, cause.server) &&
    isMeant(trigger.tool, cause.tool) &&
    within(facts.minutesSinceRelease, trigger.releasedWithinMinutes) &&
    within(facts.minutesSinceChange, trigger.changedWithinMinutes) &&
    (volumeRatio === undefined || (facts.volumeRatio !== undefined && facts.volumeRatio >= volumeRatio)) &&
    (trigger.environmentsDiffer === undefined || environmentsDiffer)
  );
}

/** What a trigger asks for besides its signals; a pattern for anything asks for nothing. */
const conditionsOf = ({ signals: _, ...asked }: Trigger): number =>
  Object.values(asked).filter((value) => value !== undefined && value !== "*").length;

/** The most specific policy: the one that names the server most exactly, then the environment, then the first by name. */
export function pickPolicy(
  policies: readonly ResponsePolicy[],
  cause: Pick<Cause, "environment" | "server">,
): ResponsePolicy {
  const [first] = policies.filter((policy) => isAbout(policy, cause)).sort(byPlace);
  return first ?? defaultPolicy;
}

/** A version of a server in an environment. Without a version, only a runbook for all of them fits. */
export interface VersionPlace {
  readonly environment: string;
  readonly server: string;
  readonly version?: string;
}

/** The runbook that names the server most exactly, then the environment; of those, one whose range holds no other's, and the first by name. */
export function pickRunbook(runbooks: readonly Runbook[], place: VersionPlace): Runbook | undefined {
  const fitting = runbooks
    .filter((runbook) => isAbout(runbook, place) && isInRange(place.version, runbook.versions))
    .sort(byPlace);
  const [first] = fitting;
  if (first === undefined) return undefined;
  const alike = fitting.filter((one) => comparePlace(one, first) === 0);
  return alike.find(({ versions }) => !alike.some((other) => isNarrower(other.versions, versions))) ?? first;
}

/** Versions that nobody has said how to go back from. What has no version cannot be gone back from. */
export const missingRunbooks = <Place extends VersionPlace>(
  runbooks: readonly Runbook[],
  versions: readonly Place[],
): Place[] => versions.filter((place) => place.version !== undefined && pickRunbook(runbooks, place) === undefined);

interface Patterns {
  readonly name: string;
  readonly environment?: string;
  readonly server?: string;
}

const isMeant = (pattern: string | undefined, text: string): boolean => pattern === undefined || fits(pattern, text);

const isAbout = (patterns: Patterns, { environment, server }: Pick<Cause, "environment" | "server">): boolean =>
  isMeant(patterns.environment, environment) && isMeant(patterns.server, server);

/** A name says the most; of patterns the one with more characters of its own. */
function exactness(pattern: string | undefined): number {
  if (pattern === undefined) return 0;
  return pattern.includes("*") ? pattern.replaceAll("*", "").length : Number.POSITIVE_INFINITY;
}

const comparePlace = (a: Patterns, b: Patterns): number =>
  byNumber(exactness(b.server), exactness(a.server)) || byNumber(exactness(b.environment), exactness(a.environment));
const byPlace = (a: Patterns, b: Patterns): number => comparePlace(a, b) || byText(a.name, b.name);
/** Not by difference: two infinities have none. */
const byNumber = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1);
const byText = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);
