import {
  type Checkpoint,
  decodeBundle,
  LogFormatError,
  openCheckpoint,
  type Policy,
  parseVkey,
  type ReadTile,
  type Tile,
  tileReader,
  toBase64,
  type VerifierKey,
  verifiedTiles,
  vkeyText,
  widthIn,
} from "@tooltrail/format/log";
import { LeafChecks, tolerableLatenessMs } from "./leaves.ts";
import { readLedger } from "./ledger-reader.ts";
import { checkListing } from "./listing.ts";
import { checkObjects } from "./objects.ts";
import { checkGrown, type Pinned } from "./pin.ts";
import { Findings, type Report } from "./report.ts";
import type { LedgerSource, LogSource } from "./sources.ts";
import { placeText, type VerifiedState } from "./state.ts";

export interface VerifyOptions {
  /** The log's keys that are trusted. Absent: whatever the log itself says is its key, which the report says. */
  readonly keys?: readonly VerifierKey[];
  /** Whose cosignatures there must be. */
  readonly policy?: Policy;
  readonly pinned?: Pinned;
  /** Go on from what was known at the pinned checkpoint, instead of reading its leaves again. It is used up, whatever comes of it. */
  readonly state?: VerifiedState;
  /** Behind what arrived so much later no batch may stand: nothing honest does, since the stream keeps a day. */
  readonly maxLatenessMs: number;
  /** The clock, where the log is in use: what has arrived 15 minutes ago must be in it, and nothing arrives later than now. */
  readonly liveAtMs?: number;
}

export interface Progress {
  readonly leaf: number;
  readonly size: number;
}

const width = 256;
/** Bundles in flight: as many as hide a round trip behind the checking. */
const readAhead = 6;

/**
 * Recomputes everything: from the entries to the signed root, batch by batch, emitter by emitter, and against the ledger where there is one. Nothing that the
 * sources give is believed before it has been checked.
 *
 * Memory does not grow with the log, but for some 32 bytes a batch, 64 with a ledger, and what a signed emitter is known by.
 *
 * @throws whatever the sources throw where they cannot be asked. That the log is not sound is in the report.
 */
export async function verify(
  { log, ledger }: { readonly log: LogSource; readonly ledger?: LedgerSource },
  options: VerifyOptions,
  onProgress: (progress: Progress) => void = () => undefined,
): Promise<Report> {
  const findings = new Findings();
  const opened = await openLog(log, options, findings);
  if (opened === undefined) return reportOf(findings, { keys: [], from: 0 });
  const { checkpoint, keys } = opened;
  const { size, root } = checkpoint;
  const read = verifiedTiles(
    size,
    root,
    tileReader((name) => log.read(name)),
  );
  const grown =
    options.pinned === undefined ||
    (await orFailure(findings, () => checkGrown(options.pinned as Pinned, checkpoint, read, findings))) === true;
  // What was never held against the ledger cannot be now, without its leaves.
  const state = grown && (ledger === undefined || options.state?.withLedger) ? options.state : undefined;
  const startsAt = state?.size ?? 0;
  const { maxLatenessMs, liveAtMs } = options;
  const entryAt = ledger && readLedger(ledger, startsAt, size);
  const checks = new LeafChecks(findings, { entryAt, maxLatenessMs, liveAtMs, state });
  const leaves = await checkLeaves(startsAt, size, read, checks, findings, onProgress);
  const whole = leaves === size - startsAt;
  if (whole) checks.end();
  for (const { emitter, from, to } of checks.emitters.gaps()) {
    // A plain event's emitter is a hash of its own, and no key's.
    if (from === 0 && checks.places.has(placeText({ emitter, seq: 0 })))
      findings.fail("chain", `Batch 0 of emitter ${emitter} is a plain event, and the emitter signs.`);
    findings.note("gap", `Emitter ${emitter} has numbered batches ${from} to ${to}, and they are not in the log.`);
  }
  const cosignedAtMs = Math.max(0, ...opened.cosignedAtMs);
  if (cosignedAtMs > 0 && checks.newestArrivalMs > cosignedAtMs + tolerableLatenessMs)
    findings.fail(
      "backdated",
      `A batch says that it arrived after the log was cosigned with it, ${new Date(cosignedAtMs).toISOString()}.`,
    );
  const unchecked: string[] = [];
  if (ledger === undefined)
    unchecked.push(
      "The ledger: emitters' signatures, the links of their chains, and whether the log leaves anything out.",
    );
  else if (whole) {
    if (startsAt > 0)
      unchecked.push(
        `The ledger's batches before leaf ${startsAt}, but for its list of them: they were checked before.`,
      );
    const asOfMs = liveAtMs ?? Math.max(cosignedAtMs, checks.newestArrivalMs);
    await checkListing(ledger, checks, { asOfMs, liveAtMs }, findings);
  }
  const isRead = ({ level, index, width: w }: Tile): boolean =>
    whole && (level === "entries" || level === 0) && index * width >= startsAt && w === widthIn(size, level, index);
  const objects = await checkObjects(log, size, read, isRead, findings);
  if (objects === undefined)
    unchecked.push("Objects that a current reader never asks for: only a folder or a bucket can be listed.");
  if (options.policy === undefined)
    unchecked.push("Cosignatures: no --policy says whose are needed. Without them, others may be shown another log.");
  return reportOf(findings, {
    checkpoint,
    keys,
    from: startsAt,
    unchecked,
    state: checks.state(size),
    checked: {
      leaves,
      batches: checks.batches,
      emitters: checks.emitters.size,
      ledgerBatches: checks.ledgerBatches,
      objects: objects ?? 0,
      cosignatures: opened.cosignedAtMs.length,
    },
  });
}

interface OpenedLog {
  readonly checkpoint: Checkpoint & { readonly text: string };
  readonly keys: readonly VerifierKey[];
  readonly cosignedAtMs: readonly number[];
}

/** The latest checkpoint, signed by a key that is trusted and by as many others as the policy asks. */
async function openLog(
  log: LogSource,
  { keys, policy, pinned }: VerifyOptions,
  findings: Findings,
): Promise<OpenedLog | undefined> {
  const [text, vkeys] = await Promise.all([textOf(log, "checkpoint"), textOf(log, "vkey")]);
  if (text === undefined) {
    if (pinned && pinned.size > 0)
      findings.fail("rollback", `There is no checkpoint, and there was one of ${pinned.size} leaves.`);
    else findings.fail("checkpoint", "There is none.", { object: "checkpoint" });
    return undefined;
  }
  const served = servedKeys(vkeys, findings);
  const trusted = keys ?? served ?? [];
  if (trusted.length === 0) {
    findings.fail("checkpoint", "No key is known to check it by.", { object: "checkpoint" });
    return undefined;
  }
  if (keys === undefined)
    findings.note(
      "first_use",
      `Nobody vouches for the log's key but the log itself: ${trusted.map(vkeyText).join(", ")}. Compare it with what its operator says, or give --vkey.`,
    );
  else if (served !== undefined && !compareKeys(keys, served, findings)) return undefined;
  try {
    const witnesses = policy?.witnesses ?? [];
    const opened = await openCheckpoint(text, [...trusted, ...witnesses.map(({ key }) => key)]);
    const cosigned = opened.signedBy.filter(({ key }) => key.type === 4);
    const by = new Set(
      witnesses.filter((witness) => cosigned.some(({ key }) => isSame(key, witness.key))).map(({ name }) => name),
    );
    if (policy !== undefined && !policy.satisfied(by))
      findings.fail(
        "cosignatures",
        `Quorum "${policy.quorum}" of the policy is not met: ${by.size === 0 ? "none of its witnesses has" : `only ${[...by].join(", ")} ${by.size === 1 ? "has" : "have"}`} signed.`,
        { object: "checkpoint" },
      );
    return {
      checkpoint: opened,
      keys: trusted,
      cosignedAtMs: cosigned.map(({ atSeconds }) => (atSeconds ?? 0) * 1_000),
    };
  } catch (error) {
    if (!(error instanceof LogFormatError)) throw error;
    findings.fail("checkpoint", error.message, { object: "checkpoint" });
    return undefined;
  }
}

function servedKeys(text: string | undefined, findings: Findings): VerifierKey[] | undefined {
  if (text === undefined) return undefined;
  try {
    if (!text.endsWith("\n")) throw new LogFormatError("its last line has no end.");
    return text.slice(0, -1).split("\n").map(parseVkey);
  } catch (error) {
    if (!(error instanceof LogFormatError)) throw error;
    findings.fail("object", error.message, { object: "vkey" });
    return undefined;
  }
}

/** What the log says of its keys, against what is trusted. @returns false where it has none of those any more. */
function compareKeys(trusted: readonly VerifierKey[], served: readonly VerifierKey[], findings: Findings): boolean {
  const known = served.filter((key) => trusted.some((other) => isSame(key, other)));
  const strange = served.filter((key) => !known.includes(key));
  if (known.length === 0) {
    findings.fail(
      "key_changed",
      `The log's key has changed: ${trusted.map(vkeyText).join(", ")} is trusted, and the log says ${served.map(vkeyText).join(", ")}.`,
      { object: "vkey" },
    );
    return false;
  }
  for (const key of strange)
    findings.note(
      "new_key",
      `The log names another key, too: ${vkeyText(key)}. Ask its operator, and trust it by --vkey before the old one ends.`,
    );
  return true;
}

const isSame = (a: VerifierKey, b: VerifierKey): boolean => vkeyText(a) === vkeyText(b);

async function checkLeaves(
  from: number,
  size: number,
  read: ReadTile,
  checks: LeafChecks,
  findings: Findings,
  onProgress: (progress: Progress) => void,
): Promise<number> {
  let checked = 0;
  try {
    for await (const { first, entries } of bundles(from, size, read)) {
      for (const [i, entry] of entries.entries()) {
        if (first + i < from) continue;
        const asking = checks.check(first + i, entry);
        if (asking !== undefined) await asking;
        checked += 1;
      }
      onProgress({ leaf: first + entries.length, size });
    }
  } catch (error) {
    if (!(error instanceof LogFormatError)) throw error;
    findings.fail("object", `Leaves from ${from + checked} on could not be checked: ${error.message}`, {
      leaf: from + checked,
    });
  }
  return checked;
}

async function* bundles(
  from: number,
  size: number,
  read: ReadTile,
): AsyncIterable<{ first: number; entries: Uint8Array[] }> {
  const end = Math.ceil(size / width);
  const coming: Promise<Uint8Array[]>[] = [];
  let next = Math.floor(from / width);
  for (let bundle = next; bundle < end; bundle += 1) {
    for (; next < end && coming.length < readAhead; next += 1) {
      const tile = { level: "entries" as const, index: next, width: Math.min(width, size - next * width) };
      // The hash tile first: a reader of bundles alone would not need it, and would not see what is wrong with it.
      const bytes = read({ ...tile, level: 0 })
        .then(() => read(tile))
        .then((got) => decodeBundle(got, tile.width));
      bytes.catch(() => undefined); // said when it is its turn
      coming.push(bytes);
    }
    yield { first: bundle * width, entries: await (coming.shift() as Promise<Uint8Array[]>) };
  }
}

/** What a source gives that is malformed is a finding. */
async function orFailure<T>(findings: Findings, run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof LogFormatError)) throw error;
    findings.fail("object", error.message);
    return undefined;
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

async function textOf(log: LogSource, name: string): Promise<string | undefined> {
  const bytes = await log.read(name);
  if (bytes === undefined) return undefined;
  try {
    return decoder.decode(bytes);
  } catch {
    return ""; // no text at all: whoever parses it says so
  }
}

function reportOf(
  findings: Findings,
  {
    checkpoint,
    keys,
    from,
    unchecked = [],
    checked,
    state,
  }: Partial<Pick<Report, "unchecked" | "checked" | "state">> & {
    readonly checkpoint?: OpenedLog["checkpoint"];
    readonly keys: readonly VerifierKey[];
    readonly from: number;
  },
): Report {
  const { failures, failureCount, notices, noticeCount } = findings;
  return {
    sound: failureCount === 0,
    ...(checkpoint && { origin: checkpoint.origin, root: toBase64(checkpoint.root), checkpoint: checkpoint.text }),
    size: checkpoint?.size ?? 0,
    from,
    checked: checked ?? { leaves: 0, batches: 0, emitters: 0, ledgerBatches: 0, objects: 0, cosignatures: 0 },
    failures,
    failureCount,
    notices,
    noticeCount,
    unchecked,
    keys: keys.map(vkeyText),
    ...(failureCount === 0 && state && { state }),
  };
}
