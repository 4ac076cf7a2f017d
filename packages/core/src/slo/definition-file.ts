import { readYamlFile, type YamlDocument, type YamlFile } from "../yaml-file.ts";
import { type DefinitionOptions, type Note, parseDefinition } from "./definition.ts";
import { parseIndicator } from "./definition-indicator.ts";
import { shown } from "./document.ts";
import type { Slo } from "./slo.ts";

/**
 * An SLO, and the JSON that it can be given on as: one document, with the indicator of its `indicatorRef` written into it. The paths of notes are those of the document in the file.
 */
export interface FileDefinition {
  readonly slo: Slo;
  readonly document: { readonly [field: string]: unknown };
  readonly notes: readonly Note[];
}

/** What a file defines. Faults and notes are lines: `slo/payments.yaml:14:9 objectives[0].target: …`, in the order of the file, and at most a hundred of each. */
export interface DefinitionFile {
  readonly definitions: readonly FileDefinition[];
  readonly faults: readonly string[];
  readonly notes: readonly string[];
}

/** The other kinds of OpenSLO v1. A fault is what would alert otherwise than its author believes. */
const otherKinds: { readonly [kind: string]: { readonly isFault: boolean; readonly why: string } } = {
  Service: { isFault: false, why: "servers are known from their calls" },
  DataSource: { isFault: false, why: "tooltrail itself is the only source" },
  AlertPolicy: { isFault: true, why: "Write it into the alertPolicies of its SLO" },
  AlertCondition: { isFault: true, why: "Write it into an AlertPolicy within its SLO" },
  AlertNotificationTarget: { isFault: true, why: "Leave it out: where alerts go is told to tooltrail itself" },
};

/**
 * A file of OpenSLO documents, in YAML 1.2 without tags of its own. An `indicatorRef` means a `kind: SLI` of the same file.
 *
 * @param fileName as lines are to begin with.
 * @returns the definitions that are sound, also where others are not.
 * @throws never.
 */
export function parseDefinitionFile(text: string, fileName: string, options: DefinitionOptions = {}): DefinitionFile {
  const file = readYamlFile(text, fileName);
  const definitions = definitionsOf(file, options);
  if (definitions.length === 0 && file.said().faults.length === 0) file.noteFile("There is no SLO in it.");
  return { definitions, ...file.said() };
}

function definitionsOf(file: YamlFile, options: DefinitionOptions): FileDefinition[] {
  const { documents } = file;
  const firsts = new Map<string, string>();
  const isFirst = (read: YamlDocument, kind: "SLI" | "SLO", name: string): boolean => {
    const path = ["metadata", "name"];
    const before = firsts.get(`${kind} ${name}`);
    if (before === undefined) {
      firsts.set(`${kind} ${name}`, file.placeOf(read, path));
      return true;
    }
    const message = `${shown(name)} is the ${kind} at ${before} as well. Write another name.`;
    file.fault(read, [{ path, message }]);
    return false;
  };

  const indicators = new Map<string, unknown>();
  for (const read of documents.filter(({ value }) => kindOf(value) === "SLI")) {
    const parsed = parseIndicator(read.value);
    if ("faults" in parsed) file[options.indicator === "optional" ? "note" : "fault"](read, parsed.faults);
    else file.note(read, parsed.notes);
    const name = nameOf(read.value);
    if (name !== undefined && isFirst(read, "SLI", name)) indicators.set(name, read.value);
  }

  return documents.flatMap((read) => {
    const kind = kindOf(read.value);
    if (kind === "SLI") return [];
    if (typeof kind === "string" && Object.hasOwn(otherKinds, kind)) {
      const { isFault, why } = otherKinds[kind] as (typeof otherKinds)[string];
      file[isFault ? "fault" : "note"](read, [
        { path: ["kind"], message: `${kind} is not read${isFault ? "." : ":"} ${why}.` },
      ]);
      return [];
    }
    const parsed = parseDefinition(read.value, indicators, options);
    const ref = refOf(read.value);
    // What is to be said of an SLI was said where it stands.
    const isSaid = ({ path }: Note): boolean =>
      ref !== undefined && indicators.has(ref) && path.join(".") === "spec.indicatorRef";
    if ("faults" in parsed)
      file.fault(
        read,
        parsed.faults.filter((one) => !isSaid(one)),
      );
    else
      file.note(
        read,
        parsed.notes.filter((one) => !isSaid(one)),
      );
    const name = nameOf(read.value);
    const first = name === undefined || isFirst(read, "SLO", name);
    if ("faults" in parsed || !first) return [];
    return [{ slo: parsed.slo, document: withIndicator(read.value as Mapping, indicators), notes: parsed.notes }];
  });
}

interface Mapping {
  readonly [field: string]: unknown;
}

/** What lies in mappings within mappings, whatever they are. */
const within = (value: unknown, ...path: readonly string[]): unknown =>
  path.reduce<unknown>(
    (one, name) =>
      typeof one === "object" && one !== null && Object.hasOwn(one, name) ? (one as Mapping)[name] : undefined,
    value,
  );

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
const kindOf = (value: unknown): unknown => within(value, "kind");
const nameOf = (value: unknown): string | undefined => textOf(within(value, "metadata", "name"));
const refOf = (value: unknown): string | undefined => textOf(within(value, "spec", "indicatorRef"));

/** A document that needs no other: its `indicatorRef` becomes the indicator that it means. */
function withIndicator(document: Mapping, indicators: ReadonlyMap<string, unknown>): Mapping {
  const plain = JSON.parse(JSON.stringify(document)) as Mapping;
  const ref = refOf(plain);
  const meant = ref === undefined ? undefined : indicators.get(ref);
  if (meant === undefined) return plain;
  const { metadata, spec } = JSON.parse(JSON.stringify(meant)) as Mapping;
  const { indicatorRef: _, ...own } = plain.spec as Mapping;
  return { ...plain, spec: { ...own, indicator: { metadata, spec } } };
}
