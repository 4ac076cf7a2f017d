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
import { type Fault, type Path, sentence, shown } from "./slo/document.ts";

/** A document of a file, as JSON would have it. */
export interface YamlDocument {
  readonly value: unknown;
  readonly yaml: Document.Parsed;
}

/** A file of YAML documents while it is read, and what is said of it meanwhile. */
export interface YamlFile {
  /** Those that are YAML. Empty ones are none. */
  readonly documents: readonly YamlDocument[];
  /** `14:9`: where a path begins in the text. */
  placeOf(document: YamlDocument, path: Path): string;
  fault(document: YamlDocument, faults: readonly Fault[]): void;
  note(document: YamlDocument, notes: readonly Fault[]): void;
  /** Of the file as a whole. */
  noteFile(words: string): void;
  /** Lines like `slo/payments.yaml:14:9 objectives[0].target: …`, in the order of the file, and at most a hundred of each. */
  said(): { readonly faults: readonly string[]; readonly notes: readonly string[] };
}

const maxBytes = 1024 * 1024;
const maxDocuments = 200;
const maxAliases = 100;
const maxLines = 100;

interface Said {
  readonly offset: number;
  readonly words: string;
}

interface Reading {
  readonly positions: LineCounter;
  readonly faults: Said[];
  readonly notes: Said[];
}

/**
 * Reads a file of YAML 1.2 without tags of its own: no dates, no merging, each key once. What it is not is a fault of the file.
 *
 * @param fileName as lines are to begin with.
 * @throws never.
 */
export function readYamlFile(text: string, fileName: string): YamlFile {
  const reading: Reading = { positions: new LineCounter(), faults: [], notes: [] };
  const say = (to: Said[], { yaml }: YamlDocument, said: readonly Fault[]): void => {
    // One more than is shown: to look up where each of a hundred thousand lies would take minutes.
    for (const one of said.slice(0, maxLines + 1)) to.push({ offset: offsetOf(yaml, one.path), words: sentence(one) });
  };
  const lines = (said: readonly Said[]): string[] => {
    const all = said
      .toSorted((a, b) => a.offset - b.offset)
      .slice(0, maxLines)
      // Names and the parser's words may hold whatever the file does, also what ends a line for some.
      .map(
        ({ offset, words }) =>
          `${fileName}:${placeAt(reading, offset)} ${words.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, "?")}`,
      );
    return said.length > maxLines ? [...all, `${fileName}: and more.`] : all;
  };
  return {
    documents: readDocuments(text, reading),
    placeOf: ({ yaml }, path) => placeAt(reading, offsetOf(yaml, path)),
    fault: (document, faults) => say(reading.faults, document, faults),
    note: (document, notes) => say(reading.notes, document, notes),
    noteFile: (words) => void reading.notes.push({ offset: 0, words }),
    said: () => ({ faults: lines(reading.faults), notes: lines(reading.notes) }),
  };
}

function placeAt({ positions }: Reading, offset: number): string {
  // What was refused unread has no lines.
  const { line, col } = positions.lineStarts.length === 0 ? { line: 1, col: 1 } : positions.linePos(offset);
  return `${line}:${col}`;
}

/** Documents that are YAML, as JSON would have them. Empty ones are none. */
function readDocuments(text: string, reading: Reading): YamlDocument[] {
  const { faults } = reading;
  const refuse = (words: string): YamlDocument[] => {
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
            words: `${shown(key.value)} is there twice, first at ${placeAt(reading, before)}. Keep one.`,
          });
      }
    },
  });
  return faults;
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
