import { bodyLines, type CallRecord, canonical, parseRecordId, type Shape, sha256, upcast } from "@tooltrail/format";
import { type DefinitionRow, inventory } from "../follow/inventory.ts";
import type { Projections } from "../follow/ports.ts";
import { rowId } from "../follow/row-id.ts";
import type { Cause } from "../incidents/incident.ts";
import type { Ledger } from "../ports.ts";
import { isMisfit } from "../slo/blame.ts";
import { contractTest } from "./contract-test.ts";
import { type Failing, kindNeedle, wentWell } from "./failing.ts";
import type { ContractTestItem } from "./postmortem.ts";
import { isInScope, ledgerServer } from "./scope.ts";
import { batchesIn, boundsOf, type Found, recordsIn, type Span } from "./walk.ts";

export interface ContractPorts {
  readonly ledger: Pick<Ledger, "read" | "newestFirst">;
  readonly projections: Pick<Projections, "cursor" | "read">;
}

export interface Contracts {
  readonly tests: readonly ContractTestItem[];
  readonly limits: readonly string[];
}

const maxTools = 10;
const maxBytes = 60_000;

/**
 * A contract test for each failing tool, the hardest hit first.
 *
 * It is made from the arguments that failed most often, and from the definition that they were called by. Where it was the arguments that did not fit, or nothing is known of them, from the last call before that went
 * well: what callers could rely on.
 *
 * @param before where calls that went well are looked for.
 */
export async function contractsOf(
  ports: ContractPorts,
  cause: Cause,
  failing: Failing,
  before: Span,
): Promise<Contracts> {
  const all = failingTools(failing);
  const tools = all.slice(0, maxTools);
  const usual = new Map(tools.map(({ key, calls }) => [key, mostFrequent(calls)]));
  const unclear = tools.filter(({ key, calls }) => isUnclear(usual.get(key), calls)).map(({ key }) => key);
  const wellBefore = unclear.length > 0 ? await lastThatWentWell(ports, cause, new Set(unclear), before) : new Map();
  const tests: ContractTestItem[] = [];
  const limits =
    all.length > maxTools
      ? [`Of ${all.length} failing tools contract tests were made for the ${maxTools} hardest hit.`]
      : [];
  let left = maxBytes;
  for (const { key, server, tool } of tools) {
    const example: Example | undefined = wellBefore.get(key) ?? usual.get(key);
    const definition = example && (await definitionOf(ports, server, tool, example.definition));
    const test = example && definition && contractTest({ server, tool, definition, shape: example.shape });
    if (example === undefined || !test)
      limits.push(
        `No contract test was made for ${tool} of ${server}: ${example ? "its definition is not on record" : "what it is called with is not"}.`,
      );
    else if (Buffer.byteLength(test.source) > left)
      limits.push(`There was no room for a contract test of ${tool} of ${server}.`);
    else {
      left -= Buffer.byteLength(test.source);
      tests.push({ server, tool, definition: example.definition, ...test });
    }
  }
  return { tests, limits };
}

interface FailingTool {
  readonly key: string;
  readonly server: string;
  readonly tool: string;
  readonly calls: readonly CallRecord[];
}

const keyOf = ({ server }: Found, { tool }: CallRecord): string => JSON.stringify([server.id, tool]);

function failingTools({ records }: Failing): FailingTool[] {
  const tools = new Map<string, { server: string; tool: string; calls: CallRecord[] }>();
  for (const found of records) {
    const { record } = found;
    if (record.kind !== "call") continue;
    const key = keyOf(found, record);
    const known = tools.get(key) ?? { server: found.server.id, tool: record.tool, calls: [] };
    known.calls.push(record);
    tools.set(key, known);
  }
  return [...tools]
    .map(([key, tool]) => ({ key, ...tool }))
    .sort((a, b) => b.calls.length - a.calls.length || (a.key < b.key ? -1 : 1));
}

/** What a tool was called with, and by which definition. */
interface Example {
  readonly definition: string;
  readonly shape: Shape;
}

const exampleOf = ({ definition, args }: CallRecord): Example | undefined =>
  definition === undefined || args?.shape === undefined ? undefined : { definition, shape: args.shape };

function mostFrequent(calls: readonly CallRecord[]): Example | undefined {
  const counts = new Map<string, { readonly example: Example; count: number }>();
  for (const example of calls.map(exampleOf)) {
    if (example === undefined) continue;
    const key = canonical(example);
    const known = counts.get(key) ?? { example, count: 0 };
    known.count += 1;
    counts.set(key, known);
  }
  return [...counts.values()].reduce<{ example: Example; count: number } | undefined>(
    (most, one) => (most === undefined || one.count > most.count ? one : most),
    undefined,
  )?.example;
}

/** Undeclared members have no names in a shape, and what did not fit is no example of what does. */
function isUnclear(example: Example | undefined, calls: readonly CallRecord[]): boolean {
  const misfits = calls.filter(({ outcome }) => isMisfit(outcome) && outcome.reason !== "invalid_output").length;
  const { shape } = example ?? { shape: "object" };
  const isWhole = typeof shape === "object" && !Object.hasOwn(shape, "*");
  return !isWhole || misfits * 2 > calls.length;
}

const maxGoodBatches = 200;

async function lastThatWentWell(
  { ledger }: ContractPorts,
  cause: Cause,
  wanted: ReadonlySet<string>,
  span: Span,
): Promise<Map<string, Example>> {
  const latest = new Map<string, { readonly at: number; readonly example: Example }>();
  const scope = { ...cause, tool: "" };
  for await (const batch of batchesIn(ledger, ledgerServer(cause), span, boundsOf(maxGoodBatches))) {
    for (const found of recordsIn(batch, span, [kindNeedle("call"), wentWell])) {
      const { record, server } = found;
      if (record.kind !== "call" || record.outcome.class !== "ok" || !isInScope(scope, server, record)) continue;
      const [key, example] = [keyOf(found, record), exampleOf(record)];
      if (wanted.has(key) && example && record.at >= (latest.get(key)?.at ?? 0))
        latest.set(key, { at: record.at, example });
    }
    if (latest.size === wanted.size) break;
  }
  return new Map([...latest].map(([key, { example }]) => [key, example]));
}

/** The text of a definition; undefined where no record carries it, or another than its digest says. */
async function definitionOf(
  { ledger, projections }: ContractPorts,
  server: string,
  tool: string,
  digest: string,
): Promise<string | undefined> {
  const generation = (await projections.cursor(inventory.name))?.current.number;
  if (generation === undefined) return undefined;
  const key = { collection: "definitions", id: rowId(server, tool, digest) };
  const [row] = await projections.read(inventory.name, generation, [key]);
  const place = parseRecordId((row?.value as DefinitionRow | undefined)?.record ?? "");
  const batch = place && (await ledger.read(place.emitter, place.seq));
  const line = batch && bodyLines(batch.body)?.[place.index];
  const record = line === undefined ? undefined : upcast(JSON.parse(line));
  if (record?.kind !== "definition" || record.text === undefined) return undefined;
  return sha256(record.text) === digest ? record.text : undefined;
}
