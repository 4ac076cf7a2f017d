import { type Shape, sha256 } from "@tooltrail/format";
import { argumentsLike } from "./arguments.ts";
import { checks, preamble } from "./contract-test-source.ts";
import { literal } from "./literal.ts";
import { isObject, own } from "./schema.ts";

/** What a test of a tool is made of. `definition` is the canonical JSON text of the tool as it was served; `shape` that of recorded arguments. */
export interface Contract {
  readonly server: string;
  readonly tool: string;
  readonly definition: string;
  readonly shape: Shape;
}

export interface TestFile {
  readonly fileName: string;
  readonly source: string;
}

/**
 * A file for `node --test` that says whether a server still does what was recorded of one of its tools: it lists the tool, its schema takes arguments like the recorded ones, and a call with such arguments
 * goes well. Values are made up from the definition: no recorded value exists.
 *
 * Whoever wrote the server wrote its names and schemas: they come into the file as literals of data alone.
 *
 * @returns undefined where the definition is no JSON object, or one that no honest server has.
 */
export function contractTest({ server, tool, definition, shape }: Contract): TestFile | undefined {
  const served = parsed(definition);
  if (served === undefined) return undefined;
  const inputSchema = own(served, "inputSchema");
  const outputSchema = own(served, "outputSchema");
  const { value, toFillIn } = argumentsLike(inputSchema, shape);
  const data = {
    server,
    tool,
    isDestructive: own(own(served, "annotations"), "destructiveHint") === true,
    recorded: pathsOf(shape),
    recordedKeys: isObject(shape) ? Object.keys(shape).filter((name) => name !== "*") : null,
    outputSchema: isObject(outputSchema) ? opened(outputSchema) : null,
    madeUp: value,
    toFillIn,
  };
  const constants = Object.entries(data).map(
    ([name, one]) => `/* ${meaning[name as keyof typeof data]} */\nconst ${name} = ${literal(one)};\n`,
  );
  return { fileName: fileNameOf(server, tool), source: [preamble, constants.join(""), checks].join("\n") };
}

const meaning = {
  server: "The server, as it was recorded.",
  tool: "The tool.",
  isDestructive: "Its definition said that it may destroy something.",
  recorded: "Members that recorded arguments had, with the way to them; an asterisk is any element of a list.",
  recordedKeys: "The outermost of them; null where nothing is known of them.",
  outputSchema: "What it promised of its answers; more than that may be in them. Null: nothing.",
  madeUp: "Arguments with the recorded members, made up from the definition. Change what means nothing to your server.",
  toFillIn:
    "Recorded members of which the definition does not say what would be accepted: give them in MCP_CALL_ARGUMENTS.",
} as const;

function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) && isWithin(value, maxDepth) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** No tool is as deep as this, and what is would be gone through by functions that call themselves. */
const maxDepth = 64;
const isWithin = (value: unknown, depth: number): boolean =>
  typeof value !== "object" ||
  value === null ||
  (depth > 0 && Object.values(value).every((one) => isWithin(one, depth - 1)));

const maxPaths = 256;

function pathsOf(shape: Shape, path: readonly string[] = []): string[][] {
  if (Array.isArray(shape)) {
    const all = shape.flatMap((one) => pathsOf(one, [...path, "*"]));
    return [...new Map(all.map((one) => [JSON.stringify(one), one])).values()].slice(0, maxPaths);
  }
  if (!isObject(shape)) return [];
  return Object.entries(shape as { readonly [key: string]: Shape })
    .filter(([name]) => name !== "*")
    .flatMap(([name, member]) => [[...path, name], ...pathsOf(member, [...path, name])])
    .slice(0, maxPaths);
}

/** A promise that an answer has nothing but this is none that a caller lives by, and `$schema` may name a dialect that a validator does not have. */
function opened(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(opened);
  if (!isObject(schema)) return schema;
  const kept = Object.entries(schema).filter(
    ([name, value]) => !(closing.includes(name) && value === false) && name !== "$schema" && name !== "$id",
  );
  return Object.fromEntries(kept.map(([name, value]) => [name, opened(value)]));
}
const closing = ["additionalProperties", "unevaluatedProperties"];

/** Plain for every file system, and another for each tool. */
function fileNameOf(server: string, tool: string): string {
  const parts = [server, tool].map(plain);
  const isPlain = parts[0] === server && parts[1] === tool;
  const more = isPlain ? [] : [sha256(JSON.stringify([server, tool])).slice(0, 8)];
  return [...parts, ...more, "test", "mjs"].join(".");
}

const plain = (name: string): string =>
  name
    .slice(0, 200)
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, "-")
    .slice(0, 60)
    .replace(/^-+|-+$/g, "") || "x";
