import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  type Scalar,
  visit,
} from "yaml";
import { type DefinitionOptions, type Note, parseDefinition } from "./definition.ts";
import { parseIndicator } from "./definition-indicator.ts";
import { type Path, sentence, shown } from "./document.ts";
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

const maxBytes = 1024 * 1024;
const maxDocuments = 200;
const maxAliases = 100;
const maxLines = 100;

/** The other kinds of OpenSLO v1. A fault is what would alert otherwise than its author believes. */
const otherKinds: { readonly [kind: string]: { readonly isFault: boolean; readonly why: string } } = {
  Service: { isFault: false, why: "servers are known from their calls" },
  DataSource: { isFault: false, why: "tooltrail itself is the only source" },
  AlertPolicy: { isFault: true, why: "Write it into the alertPolicies of its SLO" },
  AlertCondition: { isFault: true, why: "Write it into an AlertPolicy within its SLO" },
  AlertNotificationTarget: { isFault: true, why: "Leave it out: where alerts go is told to tooltrail itself" },
};

interface Said {
  readonly offset: number;
  readonly words: string;
}

/** What is being said of a file while it is read. */
interface Reading {
  readonly positions: LineCounter;
  readonly faults: Said[];
  readonly notes: Said[];
}

interface Read {
  readonly yaml: Document.Parsed;
  readonly value: unknown;
}

/**
 * A file of OpenSLO documents, in YAML 1.2 without tags of its own. An `indicatorRef` means a `kind: SLI` of the same file.
 *
 * @param fileName as lines are to begin with.
 * @returns the definitions that are sound, also where others are not.
 * @throws never.
 */
export function parseDefinitionFile(text: string, fileName: string, options: DefinitionOptions = {}): DefinitionFile {
  const reading: Reading = { positions: new LineCounter(), faults: [], notes: [] };
  const { faults, notes } = reading;
  const definitions = definitionsOf(readDocuments(text, reading), reading, options);
  if (definitions.length === 0 && faults.length === 0) notes.push({ offset: 0, words: "There is no SLO in it." });
  const lines = (said: readonly Said[]): string[] => {
    const all = said
      .toSorted((a, b) => a.offset - b.offset)
      .slice(0, maxLines)
      // Names and the parser's words may hold whatever the file does, also what ends a line for some.
      .map(
        ({ offset, words }) =>
          `${fileName}:${placeOf(reading, offset)} ${words.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, "?")}`,
      );
    return said.length > maxLines ? [...all, `${fileName}: and more.`] : all;
  };
  return { definitions, faults: lines(faults), notes: lines(notes) };
}

function placeOf({ positions }: Reading, offset: number): string {
  // What was refused unread has no lines.
  const { line, col } = positions.lineStarts.length === 0 ? { line: 1, col: 1 } : positions.linePos(offset);
  return `${line}:${col}`;
}

/** Documents that are YAML, as JSON would have them. Empty ones are none. */
function readDocuments(text: string, reading: Reading): Read[] {
  const { faults } = reading;
  const refuse = (words: string): Read[] => {
    faults.push({ offset: 0, words });
    return [];
  };
  if (Buffer.byteLength(text) > maxBytes) return refuse("The file is over 1 MiB. Split it.");
  const tooMany = `There are over ${maxDocuments} documents. Split the file.`;
  // Before parsing: each document but the first comes after a marker, either of the beginning of one or of the end of another.
  for (const marker of [/^---(?=\s|$)/gm, /^\.\.\.(?=\s|$)/gm])
    if ((text.match(marker)?.length ?? 0) > maxDocuments) return refuse(tooMany);
  const documents = parseAllDocuments(text, {
    lineCounter: reading.positions,
    prettyErrors: false,
    schema: "core",
    merge: false,
    resolveKnownTags: false,
    stringKeys: true,
    // The parser compares each key with all before it, which takes minutes for a megabyte of keys.
    uniqueKeys: false,
    logLevel: "silent",
  });
  if (documents.length > maxDocuments) return refuse(tooMany);
  return documents.flatMap((yaml) => {
    const wrong = yaml.errors.length > 0 || yaml.warnings.length > 0 ? syntaxFaults(yaml) : doubledKeys(yaml, reading);
    faults.push(...wrong.slice(0, maxLines + 1));
    if (wrong.length > 0 || yaml.contents === null) return [];
    try {
      const value: unknown = yaml.toJS({ maxAliasCount: maxAliases });
      if (value === null) return [];
      // An alias may stand for what it lies in, or for much.
      if (JSON.stringify(value).length <= maxBytes) return [{ yaml, value }];
      faults.push({ offset: yaml.range[0], words: "As JSON, with aliases written out, the document is over 1 MiB." });
    } catch (error) {
      const [why] = (error as Error).message.split("\n", 1);
      faults.push({ offset: yaml.range[0], words: `Its aliases cannot be written out: ${why}.` });
    }
    return [];
  });
}

const syntaxFaults = ({ errors, warnings }: Document.Parsed): Said[] =>
  [...errors, ...warnings].map(({ code, message, pos }) => ({
    offset: pos[0],
    words: ownWords[code] ?? `${message}.`,
  }));

/** Where the parser's own would not tell what to do. */
const ownWords: { readonly [code: string]: string } = {
  RESOURCE_EXHAUSTION: "This is nested too deeply.",
  NON_STRING_KEY: "A list or a mapping is no name of a field. Write a text.",
};

function doubledKeys(yaml: Document.Parsed, reading: Reading): Said[] {
  const faults: Said[] = [];
  visit(yaml, {
    Map: (_, { items }) => {
      const first = new Map<unknown, number>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        const offset = key.range?.[0] ?? 0;
        const before = first.get(key.value);
        if (before === undefined) first.set(key.value, offset);
        else
          faults.push({
            offset,
            words: `${shown(key.value)} is there twice, first at ${placeOf(reading, before)}. Keep one.`,
          });
      }
    },
  });
  return faults;
}

function definitionsOf(documents: readonly Read[], reading: Reading, options: DefinitionOptions): FileDefinition[] {
  const { faults, notes } = reading;
  const say = (to: Said[], { yaml }: Read, said: readonly Note[]): void => {
    // One more than is shown: to look up where each of a hundred thousand lies would take minutes.
    for (const one of said.slice(0, maxLines + 1)) to.push({ offset: offsetOf(yaml, one.path), words: sentence(one) });
  };
  const firsts = new Map<string, number>();
  const isFirst = (read: Read, kind: "SLI" | "SLO", name: string): boolean => {
    const path = ["metadata", "name"];
    const before = firsts.get(`${kind} ${name}`);
    if (before === undefined) {
      firsts.set(`${kind} ${name}`, offsetOf(read.yaml, path));
      return true;
    }
    const message = `${shown(name)} is the ${kind} at ${placeOf(reading, before)} as well. Write another name.`;
    say(faults, read, [{ path, message }]);
    return false;
  };

  const indicators = new Map<string, unknown>();
  for (const read of documents.filter(({ value }) => kindOf(value) === "SLI")) {
    const parsed = parseIndicator(read.value);
    if ("faults" in parsed) say(options.indicator === "optional" ? notes : faults, read, parsed.faults);
    else say(notes, read, parsed.notes);
    const name = nameOf(read.value);
    if (name !== undefined && isFirst(read, "SLI", name)) indicators.set(name, read.value);
  }

  return documents.flatMap((read) => {
    const kind = kindOf(read.value);
    if (kind === "SLI") return [];
    if (typeof kind === "string" && Object.hasOwn(otherKinds, kind)) {
      const { isFault, why } = otherKinds[kind] as (typeof otherKinds)[string];
      say(isFault ? faults : notes, read, [
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
      say(
        faults,
        read,
        parsed.faults.filter((one) => !isSaid(one)),
      );
    else
      say(
        notes,
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

/** Where a path begins in the text: at its key, or at the item. Of what is missing, its nearest parent that is there. */
function offsetOf(yaml: Document.Parsed, path: Path): number {
  let node: unknown = yaml.contents;
  let offset = yaml.contents?.range[0] ?? yaml.range[0];
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(yaml);
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && key.value === step);
      if (pair === undefined) break;
      offset = (pair.key as Scalar.Parsed).range[0];
      node = pair.value;
    } else if (isSeq(node) && typeof step === "number") {
      const item: unknown = node.items[step];
      if (!isNode(item)) break;
      offset = item.range?.[0] ?? offset;
      node = item;
    } else break;
  }
  return offset;
}
