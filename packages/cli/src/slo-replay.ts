import { buildCommand, type CommandContext } from "@stricli/core";
import type { SeriesAnswer } from "@tooltrail/api/types";
import { type Note, sentence } from "@tooltrail/core/slo/document";
import type { Transition } from "@tooltrail/core/slo/evaluate";
import { replay } from "@tooltrail/core/slo/replay";
import { windowText } from "@tooltrail/core/slo/rules";
import { Refused } from "./client.ts";
import { type ConnectFlags, connect, connectFlags } from "./connect.ts";
import { type MinuteForm, maxSeriesBytes, minuteText, parseSeries, type Series } from "./slo-series.ts";
import { plain } from "./table.ts";
import { nameOf, readText } from "./text-input.ts";

interface ReplayFlags extends ConnectFlags {
  readonly series?: string;
  readonly fromLog: boolean;
  readonly since?: string;
  readonly until?: string;
  readonly slo?: string;
  readonly plain: boolean;
  readonly json: boolean;
}

const optional = (brief: string, placeholder: string) =>
  ({ kind: "parsed", parse: String, optional: true, brief, placeholder }) as const;

const maxDefinitionBytes = 1024 * 1024;

export const replayCommand = buildCommand<ReplayFlags, [string], CommandContext>({
  docs: {
    brief: "Say when a definition's alerts would have fired and cleared",
    fullDescription:
      "Walks through recorded minutes as the pipeline would have: those of a CSV file with the rows minute,total,bad, or what a pipeline has in its log, before the definition goes live there. A minute is an ISO time or a number; one that has no row has no data. What is not as it must be is told on stderr with its file and line, and exits with 64.",
  },
  parameters: {
    flags: {
      ...connectFlags,
      series: optional("a CSV file: minute,total,bad; - is stdin", "FILE"),
      fromLog: {
        kind: "boolean",
        brief: "the minutes that the pipeline has counted, of 33 days at most",
        default: false,
      },
      since: optional("with --from-log: from this time on (2026-01-31T12:00:00Z, or 7d ago)", "TIME"),
      until: optional("with --from-log: up to this time", "TIME"),
      slo: optional("which SLO of the file, where there are several", "NAME"),
      plain: {
        kind: "boolean",
        brief: "the two windows of each rule alone: no guard for low traffic, no holding of alerts",
        default: false,
      },
      json: {
        kind: "boolean",
        brief: "print [{minute, rule, state, burnLong, burnShort, budgetSpent}, …]",
        default: false,
      },
    },
    positional: {
      kind: "tuple",
      parameters: [{ parse: String, brief: "a YAML file of OpenSLO definitions; - is stdin", placeholder: "FILE" }],
    },
  },
  async func(flags, file) {
    check(flags, file);
    // `| head` has read enough: that is no failure.
    process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 2));
    const { stdout, stderr } = this.process;
    const say = (line: string): void => stderr.write(`${plain(line)}\n`);
    const refuse = (faults: readonly string[]): void => {
      faults.forEach(say);
      process.exitCode = 64;
    };

    // Loaded here, since YAML takes its time and memory, and a proxy has no use for it.
    const { parseDefinitionFile } = await import("@tooltrail/core/slo/definition-file");
    const text = await readText(file, maxDefinitionBytes);
    const read = parseDefinitionFile(text, nameOf(file), flags.fromLog ? {} : { indicator: "optional" });
    if (read.faults.length > 0) return refuse(read.faults);
    const { slo, document, notes } = chosen(read.definitions, nameOf(file), flags.slo);
    for (const one of notes)
      if (flags.fromLog || !isAboutIndicator(one)) say(`Note: ${nameOf(file)}: ${sentence(one)}`);

    const series =
      flags.series === undefined
        ? await fromLog(flags, document)
        : parseSeries(await readText(flags.series, maxSeriesBytes), nameOf(flags.series));
    if ("faults" in series) return refuse(series.faults);
    const transitions = replay(slo, series.minutes, { plain: flags.plain });
    let count = 0;
    for (const lines of (flags.json ? jsonOf : textOf)(series.form, transitions)) {
      stdout.write(lines);
      count += 1;
    }
    if (!flags.json && count === 0) say(nothing(series));
  },
});

/** Who brings counts has an indicator of their own. */
const isAboutIndicator = ({ path: [, field] }: Note): boolean => field === "indicator" || field === "indicatorRef";

/** @throws Refused (400) where flags do not go together. */
export function check({ series, fromLog, since, until }: ReplayFlags, file: string): void {
  if ((series !== undefined) === fromLog)
    throw new Refused(400, "--series, or --from-log: one of the two tells which minutes to replay.");
  if (!fromLog && (since !== undefined || until !== undefined))
    throw new Refused(400, "--since and --until go with --from-log: a series is replayed as a whole.");
  if (file === "-" && series === "-") throw new Refused(400, "--series: stdin is the definition already.");
}

/** @throws Refused (400) where it is not plain which one is meant. */
export function chosen<One extends { readonly slo: { readonly name: string } }>(
  definitions: readonly One[],
  file: string,
  name: string | undefined,
): One {
  const names = definitions.map(({ slo }) => slo.name).join(", ");
  const [first, ...others] = name === undefined ? definitions : definitions.filter(({ slo }) => slo.name === name);
  if (first === undefined)
    throw new Refused(400, names === "" ? `${file}: no SLO is in it.` : `--slo: ${file} has ${names}, and no ${name}.`);
  if (others.length > 0) throw new Refused(400, `--slo: ${file} has ${names}. Name one of them.`);
  return first;
}

async function fromLog({ data, since, until }: ReplayFlags, document: object): Promise<Series> {
  const client = connect({ ...(data && { data }) });
  const { minutes } = await client.post<SeriesAnswer>("/v1/series", { document, since, until });
  return { form: "time", minutes: minutes.map(([minute, total, bad]) => ({ minute, total, bad })) };
}

function nothing({ form, minutes }: Series): string {
  const [first, last] = [minutes[0], minutes.at(-1)];
  if (first === undefined || last === undefined) return "Nothing fires: there are no calls.";
  return `Nothing fires from ${minuteText(form, first.minute)} to ${minuteText(form, last.minute)}.`;
}

/** `2026-01-31T12:05:00Z page-1h firing burn 16.7x over 1h, 100.0x over 5m, 3.2 % of the budget spent`, a line each. */
export function* textOf(form: MinuteForm, transitions: Iterable<Transition>): Generator<string> {
  for (const { minute, rule, state, burnLong, burnShort, budgetSpent } of transitions) {
    const burn = `burn ${times(burnLong)} over ${windowText(rule.longMinutes)}, ${times(burnShort)} over ${windowText(rule.shortMinutes)}`;
    const spent = `${(budgetSpent * 100).toFixed(1)} % of the budget spent`;
    yield `${minuteText(form, minute)} ${rule.name} ${state} ${burn}, ${spent}\n`;
  }
}

const times = (burn: number): string => `${burn.toFixed(1)}x`;

/** One array, piece by piece: of a year there may be more than fits one text. */
export function* jsonOf(form: MinuteForm, transitions: Iterable<Transition>): Generator<string> {
  let before = "[\n";
  for (const { minute, rule, state, burnLong, burnShort, budgetSpent } of transitions) {
    const at = form === "number" ? minute : minuteText(form, minute);
    yield `${before}  ${JSON.stringify({ minute: at, rule: rule.name, state, burnLong, burnShort, budgetSpent })}`;
    before = ",\n";
  }
  yield before === "[\n" ? "[]\n" : "\n]\n";
}
