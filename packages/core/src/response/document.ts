import { responseDocument } from "@tooltrail/format/schema";
import { edges, nearestEdge, nearestScore } from "../slo/buckets.ts";
import { type Fault, type Note, shown } from "../slo/document.ts";
import { tooLarge } from "../versioned.ts";
import { faultsOf, wordsFor } from "./faults.ts";
import type { Playbook, ResponseDocument, Runbook, Target } from "./response.ts";
import { isInRange, isRange } from "./versions.ts";

/**
 * One document of how a team responds, as JSON or YAML gave it.
 *
 * @returns the document with what is to be noted of it, its fields in the order of the schema; or its faults, at least one.
 * @throws never.
 */
export function parseResponseDocument(
  value: unknown,
): { readonly document: ResponseDocument; readonly notes: readonly Note[] } | { readonly faults: readonly Fault[] } {
  const { success, data, error } = responseDocument.safeParse(value, { error: wordsFor });
  if (!success) return { faults: faultsOf(value, error.issues) };
  // What the schema lets pass is what the rest of core knows: this line tells when they part.
  const document: ResponseDocument = data;
  const large = tooLarge(document);
  const found: Found = { faults: large === undefined ? [] : [{ path: [], message: `has ${large}` }], notes: [] };
  if (document.kind === "Playbook") checkPlaybook(document, found);
  if (document.kind === "Runbook") checkRunbook(document, found);
  return found.faults.length > 0 ? { faults: found.faults } : { document, notes: found.notes };
}

interface Found {
  readonly faults: Fault[];
  readonly notes: Note[];
}

function checkPlaybook({ verificationTarget }: Playbook, found: Found): void {
  verificationTarget.forEach((target, i) => {
    const say = (to: Fault[], field: keyof Target, message: string): void =>
      void to.push({ path: ["verificationTarget", i, field], message });
    if (!(target.sli in mostOf) && target.value > 1) {
      const meant = target.value <= 100 ? ` Write value: ${Number((target.value / 100).toFixed(6))}.` : "";
      say(found.faults, "value", `${target.value} is not a part, from 0 to 1.${meant}`);
    }
    const better = betterOf[target.sli];
    if (better !== undefined && !target.op.startsWith(better))
      say(
        found.notes,
        "op",
        `holds the worse it gets: ${target.sli} is to be ${better === ">" ? "high" : "low"}. Is ${better}= meant?`,
      );
    for (const field of ["thresholdMs", "thresholdPermille"] as const) {
      const isNeeded = thresholds[field].includes(target.sli);
      const threshold = target[field];
      if (threshold === undefined) {
        if (isNeeded) say(found.faults, field, `is missing. Write what ${target.sli} has to keep to, as a number.`);
      } else if (!isNeeded) say(found.faults, field, `is nothing of ${target.sli}. Leave it out.`);
      else {
        const counted = countedAs(target.sli, threshold);
        if (counted === undefined) say(found.faults, field, `${threshold} is more than can be told of ${target.sli}.`);
        else if (counted !== threshold)
          say(found.notes, field, `${threshold} is counted as ${counted}, an edge of the buckets that are kept.`);
      }
    }
  });
}

/** Targets that are no parts of calls, and can be more than 1. */
const mostOf: { readonly [sli in Target["sli"]]?: true } = { burn: true, throughput: true };
/** Which way is better. Of throughput both are asked for: that it comes back, and that it does not grow. */
const betterOf: { readonly [sli in Target["sli"]]: ">" | "<" | undefined } = {
  availability: ">",
  latency: ">",
  freshness: ">",
  quality: ">",
  schema: ">",
  burn: "<",
  retries: "<",
  refused: "<",
  throughput: undefined,
};
const thresholds: { readonly [field in "thresholdMs" | "thresholdPermille"]: readonly Target["sli"][] } = {
  thresholdMs: ["latency", "freshness"],
  thresholdPermille: ["quality"],
};

/** What a gate makes of a threshold, as an objective does: the nearest edge of the buckets that are kept. */
function countedAs(sli: Target["sli"], threshold: number): number | undefined {
  if (sli === "quality") return nearestScore(threshold);
  const perOne = sli === "latency" ? 1_000 : 1;
  return threshold * perOne > (edges.at(-1) ?? 0) ? undefined : nearestEdge(threshold * perOne) / perOne;
}

function checkRunbook({ versions, rollbackTo }: Runbook, { faults }: Found): void {
  if (!isRange(versions))
    faults.push({
      path: ["versions"],
      message: `${shown(versions)} is no range of versions. Write it as npm does: ">=2.0.0 <3", "2.1.x", or "*" for all.`,
    });
  // Of all versions, one has to be the way back.
  else if (rollbackTo !== undefined && !isInRange(undefined, versions) && isInRange(rollbackTo, versions))
    faults.push({
      path: ["rollbackTo"],
      message: `${shown(rollbackTo)} is itself in ${shown(versions)}, from which it is to be gone back. Write an earlier one.`,
    });
}
