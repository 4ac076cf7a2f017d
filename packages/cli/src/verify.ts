import { existsSync, readFileSync } from "node:fs";
import { buildCommand, type CommandContext } from "@stricli/core";
import { type Proven, receiptOrigin, verifyReceipt } from "@tooltrail/core/verify/receipt";
import type { Failure, Report } from "@tooltrail/core/verify/report";
import { type Progress, verify } from "@tooltrail/core/verify/verify";
import { LogFormatError, type Policy, parsePolicy, parseVkey, type VerifierKey } from "@tooltrail/format/log";
import { Refused } from "./client.ts";
import { type Config, config } from "./config.ts";
import { type OpenSource, openSource } from "./log-source.ts";
import { type OpenPin, otherPins, pinFile, readPin, readState, writePin } from "./pins.ts";

interface VerifyFlags {
  readonly from?: string;
  readonly vkey?: string;
  readonly policy?: string;
  readonly pin?: string;
  readonly resume: boolean;
  readonly maxLateness: number;
  readonly ledger: boolean;
  readonly receipt?: string;
  readonly data?: string;
  readonly json: boolean;
}

const optional = (brief: string, placeholder: string) =>
  ({ kind: "parsed", parse: String, optional: true, brief, placeholder }) as const;

const units = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

function span(text: string): number {
  const [, amount, unit] = /^([1-9]\d{0,5})([mhd])$/.exec(text) ?? [];
  if (unit === undefined) throw new Error(`"${text}" is not a span like 90m, 25h or 3d`);
  return Number(amount) * units[unit as keyof typeof units];
}

const defaultLateness = "25h";

export const verifyCommand = buildCommand<VerifyFlags, [], CommandContext>({
  docs: {
    brief: "Recompute the log from its leaves, and say whether it is sound",
    fullDescription:
      "Exits with 0 when it is, 1 when it is not, 2 when that could not be told. What was verified is pinned, so that a log which is cut or written anew later is noticed.",
  },
  parameters: {
    flags: {
      from: optional("a URL, a folder, or s3://BUCKET[/PREFIX]; else the pipeline at TOOLTRAIL_ENDPOINT", "PLACE"),
      vkey: optional("the log's public key (a C2SP vkey), or a file with it", "VKEY|FILE"),
      policy: optional("whose cosignatures there must be: a file with a C2SP tlog-policy (TOOLTRAIL_POLICY)", "FILE"),
      pin: optional("where to keep what was verified; else one file a log in TOOLTRAIL_PINS", "FILE"),
      resume: { kind: "boolean", brief: "go on where the last verification ended", default: false },
      maxLateness: {
        kind: "parsed",
        parse: span,
        default: defaultLateness,
        brief: "how much later than others a batch may have come into the log",
        placeholder: "SPAN",
      },
      ledger: { kind: "boolean", brief: "compare with the ledger, where there is one", default: true },
      receipt: optional("check one receipt, offline", "FILE"),
      data: optional("the pipeline's data folder, for its token", "DIR"),
      json: { kind: "boolean", brief: "print one JSON document", default: false },
    },
  },
  async func(flags) {
    const print = (text: string): void => void this.process.stdout.write(`${text}\n`);
    const keys = flags.vkey === undefined ? undefined : usable("--vkey", () => keysOf(flags.vkey ?? ""));
    const set = settings(flags);
    const policyFile = flags.policy ?? process.env.TOOLTRAIL_POLICY;
    const policy = policyFile ? usable("--policy", () => parsePolicy(readFileSync(policyFile, "utf8"))) : undefined;
    const sound =
      flags.receipt === undefined
        ? await verifyLog(flags, set, keys, policy, print)
        : await checkReceipt(flags.receipt, flags, set, keys, policy, print);
    if (!sound) process.exitCode = 1;
  },
});

/** Read when it is asked for: a receipt with its key needs no settings. */
const settings = ({ data }: VerifyFlags): (() => Config) => {
  return () => ({ ...config(), ...(data !== undefined && { dataDir: data }) });
};

async function verifyLog(
  flags: VerifyFlags,
  set: () => Config,
  vkeys: readonly VerifierKey[] | undefined,
  policy: Policy | undefined,
  print: (text: string) => void,
): Promise<boolean> {
  const opened = await openSource(flags.from, flags.ledger, set);
  try {
    // Read once: the checkpoint whose pin is looked up is the one that is verified, whatever is given to who asks twice.
    const checkpoint = await opened.log.read("checkpoint");
    const read = async (name: string) => (name === "checkpoint" ? checkpoint : opened.log.read(name));
    const source = { ...opened, log: { ...opened.log, read } };
    const file = flags.pin ?? pinOf(checkpoint, set());
    const pin = file === undefined ? undefined : await readPin(file);
    if (flags.resume && pin === undefined) throw new Error("--resume: nothing is pinned. Verify once without it.");
    const state = flags.resume && file !== undefined && pin !== undefined ? readState(file, pin) : undefined;
    if (flags.resume && !(state && (state.withLedger || source.ledger === undefined)))
      process.stderr.write(
        `tooltrail: --resume: beginning at leaf 0, since ${state ? "the ledger was not asked the last time" : "what was known the last time is not beside the pin"}.\n`,
      );
    const keys = vkeys ?? (policy && policy.logs.length > 0 ? policy.logs : undefined) ?? pin?.trusted;
    const checked = await verify(
      source,
      {
        ...(keys && { keys }),
        ...(policy && { policy }),
        ...(pin && { pinned: { size: pin.at.size, root: pin.at.root, checkedAtMs: pin.checkedAtMs } }),
        ...(state && { state }),
        maxLatenessMs: flags.maxLateness,
        ...(source.live && { liveAtMs: Date.now() }),
      },
      progress(),
    );
    const strange = withOthers(checked, source, flags.pin === undefined ? set() : undefined);
    if (strange.sound)
      keep(file ?? pinFile(set().pinsDir, strange.origin ?? ""), source, strange, flags.pin !== undefined);
    const { state: _, ...report } = strange;
    const said = { source: source.name, ...report, unchecked: uncheckedOf(report, source) };
    print(flags.json ? JSON.stringify(said, undefined, 2) : words(said));
    return said.sound;
  } finally {
    opened.close();
  }
}

/** The pin of the log that is there, by the name that it gives itself. */
function pinOf(checkpoint: Uint8Array | undefined, { pinsDir }: Config): string | undefined {
  const origin = checkpoint && Buffer.from(checkpoint).toString("utf8").split("\n", 1)[0];
  return origin ? pinFile(pinsDir, origin) : undefined;
}

/** Another log where there was one before is as bad as another key, whatever it calls itself. */
function withOthers(report: Report, { name }: OpenSource, set: Config | undefined): Report {
  const [other] = set && report.origin !== undefined ? otherPins(set.pinsDir, name, report.origin) : [];
  if (other === undefined) return report;
  const failure: Failure = {
    code: "key_changed",
    detail: `Another log is here than before: ${report.origin}, and it was ${other.origin}, with the key ${other.keys.join(", ")}. If that is right, use a --pin of its own.`,
  };
  return { ...report, sound: false, failures: [failure, ...report.failures], failureCount: report.failureCount + 1 };
}

/** Only what is sound is remembered. Where nothing can be kept, the answer stands, but the next run knows nothing of it. */
function keep(file: string, source: OpenSource, { origin, checkpoint, keys, state }: Report, asked: boolean): void {
  if (origin === undefined || checkpoint === undefined || state === undefined) return;
  try {
    writePin(file, { origin, source: source.name, checkpoint, keys, checkedAtMs: Date.now() }, state);
  } catch (error) {
    if (asked) throw error;
    process.stderr.write(
      `tooltrail: nothing could be pinned (${(error as Error).message}): a later cut would not be noticed. See --pin.\n`,
    );
  }
}

const uncheckedOf = ({ unchecked }: Report, { noLedger }: OpenSource): string[] =>
  unchecked.map((line) => (line.startsWith("The ledger:") && noLedger !== undefined ? `${line} (${noLedger})` : line));

async function checkReceipt(
  file: string,
  flags: VerifyFlags,
  set: () => Config,
  vkeys: readonly VerifierKey[] | undefined,
  policy: Policy | undefined,
  print: (text: string) => void,
): Promise<boolean> {
  const meaningless = [
    flags.from !== undefined && "--from",
    flags.resume && "--resume",
    !flags.ledger && "--no-ledger",
    flags.maxLateness !== span(defaultLateness) && "--max-lateness",
    flags.data !== undefined && "--data",
  ].filter(Boolean);
  if (meaningless.length > 0)
    throw new Refused(400, `${meaningless.join(", ")}: of a log, and --receipt checks one receipt alone.`);
  const text = readFileSync(file === "-" ? 0 : file, "utf8");
  try {
    const keys =
      vkeys ??
      (policy && policy.logs.length > 0 ? policy.logs : undefined) ??
      (await pinnedKeys(receiptOrigin(text), flags, set));
    const proven = await verifyReceipt(text, keys, policy);
    print(flags.json ? JSON.stringify({ sound: true, ...shown(proven) }, undefined, 2) : receiptWords(proven));
    return true;
  } catch (error) {
    if (!(error instanceof LogFormatError)) throw error;
    if (flags.json)
      print(JSON.stringify({ sound: false, failures: [{ code: "receipt", detail: error.message }] }, undefined, 2));
    else print(`Not proven: ${plain(error.message)}`);
    return false;
  }
}

async function pinnedKeys(origin: string, { pin }: VerifyFlags, set: () => Config): Promise<readonly VerifierKey[]> {
  const known: OpenPin | undefined = await readPin(pin ?? pinFile(set().pinsDir, origin));
  if (known === undefined || known.origin !== origin)
    throw new Error(`--vkey: whose key is ${plain(origin)}'s? Give it, or verify that log once.`);
  return known.trusted;
}

function keysOf(said: string): VerifierKey[] {
  const text = existsSync(said) || !said.includes("+") ? readFileSync(said, "utf8") : said;
  return text.trim().split(/\r?\n/).map(parseVkey);
}

/** What was given on the command line and cannot be used is a matter of usage. */
function usable<T>(flag: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Refused(400, `${flag}: ${(error as Error).message}`);
  }
}

const everyMs = 2_000;

/** A line every two seconds, for whoever waits. */
function progress(): (progress: Progress) => void {
  const begun = Date.now();
  let first: number | undefined;
  let said = begun;
  return ({ leaf, size }) => {
    const now = Date.now();
    first ??= leaf;
    if (now - said < everyMs) return;
    said = now;
    const rate = Math.round(((leaf - first) * 1_000) / (now - begun));
    process.stderr.write(
      `tooltrail: ${leaf} of ${size} leaves (${Math.floor((leaf * 100) / size)} %), ${rate} a second\n`,
    );
  };
}

/** Names come from whoever wrote the log: nothing of them may steer the terminal. */
const plain = (text: string): string => text.replace(/\p{C}/gu, "?");

function words({ source, ...report }: Report & { readonly source: string }): string {
  const { checked, failures, failureCount, notices, noticeCount, unchecked } = report;
  const where = ({ leaf, record, object }: Failure): string =>
    [leaf !== undefined ? `leaf ${leaf}` : undefined, record, object].filter(Boolean).join(" ");
  return [
    `${report.sound ? "Sound" : "NOT sound"}: ${report.origin ?? "the log"} at ${source}`,
    ...(report.root === undefined ? [] : [`${report.size} leaves, root ${report.root}`]),
    `Checked from leaf ${report.from}: ${checked.leaves} leaves, ${checked.batches} batches of ${checked.emitters} signing emitters, ${checked.ledgerBatches} of them against the ledger, ${checked.objects} objects, ${checked.cosignatures} cosignatures`,
    ...failures.map(
      (failure) => `FAILED ${[failure.code, where(failure)].filter(Boolean).join(" ")}: ${failure.detail}`,
    ),
    ...more(failures.length, failureCount, "failures"),
    ...notices.map(({ code, detail }) => `Note (${code}): ${detail}`),
    ...more(notices.length, noticeCount, "notes"),
    ...unchecked.map((line) => `Not checked: ${line}`),
  ]
    .map(plain)
    .join("\n");
}

const more = (listed: number, all: number, what: string): string[] =>
  all > listed ? [`… ${all - listed} more ${what}`] : [];

/** `line` is the record once more. */
const shown = ({ leaf: { line, ...leaf }, ...proven }: Proven) => ({ ...proven, leaf });

function receiptWords(proven: Proven): string {
  const { id, index, origin, size, witnesses, leaf } = proven;
  const { emitter, key, account, receivedAtMs } = leaf;
  const came =
    key === undefined
      ? `as an event of account ${account} that nobody signed`
      : `by the emitter ${emitter} with the key ${key}`;
  return [
    `Proven: ${id} is leaf ${index} of the ${size} that ${origin} has signed${witnesses.length > 0 ? `, and ${witnesses.join(", ")} with it` : ""}.`,
    `So the log states that this record came ${came}, ${timeOf(receivedAtMs)}.`,
    ...(key === undefined
      ? []
      : ["Not in a receipt: the emitter's own signature. It is in the ledger, and verify with the ledger checks it."]),
    ...JSON.stringify(shown(proven).leaf, undefined, 2).split("\n"),
  ]
    .map(plain)
    .join("\n");
}

/** Also where a log says a time that no calendar has. */
const timeOf = (ms: number): string => (ms <= 8.64e15 ? new Date(ms).toISOString() : `at ${ms} ms`);
