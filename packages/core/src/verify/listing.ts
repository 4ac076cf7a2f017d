import type { BatchPlace } from "../log/ports.ts";
import type { ListedBatch } from "../ports.ts";
import { type LeafChecks, tolerableLatenessMs } from "./leaves.ts";
import { checkStored } from "./ledger-check.ts";
import { type Findings, timeOf } from "./report.ts";
import { type LedgerEntry, type LedgerSource, placesPerRequest } from "./sources.ts";
import { listingText, placeText } from "./state.ts";
import { TextSet } from "./text-set.ts";

/** So many pages in a row may bring nothing new: an honest ledger's are empty now and then. */
const maxIdlePages = 100;

/** So many batches of the list may be wrong before the rest is not looked at: a list that somebody makes up may have no end. */
const maxFailures = 10_000;
/** More than arrive in the time that the log has to take them in. */
const maxWaiting = 1_000_000;

/**
 * Whatever is in the ledger is in the log, and the ledger lists the log's batches as they are, since queries stand on its list: each once under the time and the server
 * that its headers say.
 *
 * Where the log is in use, the list may be behind (DynamoDB's index follows its table): what has come of late may be missing there.
 *
 * @param liveAtMs the clock when the checkpoint was read, where the log is in use.
 * @param asOfMs when the log was certainly at work; what has arrived 15 minutes before must be in it.
 * @throws Error where the list does not come to an end.
 */
export async function checkListing(
  ledger: LedgerSource,
  { places, listing, unsound, recent }: Pick<LeafChecks, "places" | "listing" | "unsound" | "recent">,
  { asOfMs, liveAtMs }: { readonly asOfMs: number; readonly liveAtMs: number | undefined },
  findings: Findings,
): Promise<void> {
  const began = performance.now();
  const seen = new Uint8Array(listing.slots.length); // by slot
  const others = new TextSet();
  let listed = 0;
  let listedWrong = 0;
  let waiting = 0;
  let idle = 0;
  const failedBefore = findings.failureCount;
  let cursor: string | undefined;
  do {
    const page = await ledger.positions(cursor);
    const before = listed + others.size;
    const unknown: ListedBatch[] = [];
    for (const position of page.positions) {
      const slot = listing.slotOf(listingText(position));
      if (slot !== undefined) {
        if (seen[slot] === 0) listed += 1;
        seen[slot] = 1;
      } else if (unsound.has(placeText(position))) {
        others.add(placeText(position)); // its headers, which are wrong, say nothing of its place here
      } else if (others.add(listingText(position))) {
        if (!places.has(placeText(position))) unknown.push(position);
        else {
          listedWrong += 1;
          const at = timeOf(position.lastAt);
          findings.fail(
            "listing",
            `${named(position)} is listed under ${position.server}, ${at}: its headers say otherwise.`,
          );
        }
      }
    }
    for await (const entry of entriesOf(ledger, unknown)) checkUnknown(entry);
    if (findings.failureCount - failedBefore > maxFailures) {
      findings.fail(
        "listing",
        `More than ${maxFailures} batches of the ledger's list are wrong: the rest was not read.`,
      );
      return;
    }
    if (waiting > maxWaiting) throw new Error("The ledger's list of batches does not come to an end.");
    if (page.next !== undefined && page.next === cursor)
      throw new Error("The ledger's list of batches does not advance.");
    cursor = page.next;
    idle = listed + others.size > before ? 0 : idle + 1;
    if (cursor !== undefined && idle > maxIdlePages) throw new Error("The ledger's list of batches does not advance.");
  } while (cursor !== undefined);
  const behind = recent.filter((text) => seen[listing.slotOf(text) ?? 0] === 0).length;
  const unlisted = listing.size - listed - listedWrong - behind;
  if (unlisted > 0)
    findings.fail(
      "listing",
      `${unlisted} batches of the log are in the ledger, and its list does not have them: queries do not find them.`,
    );
  if (waiting > 0) findings.note("waiting", `${waiting} batches of the ledger are not in the log yet.`);

  function checkUnknown(entry: LedgerEntry): void {
    if (entry.unreadable !== undefined) {
      findings.fail("seal", `${named(entry)} is in the ledger, not in the log, and not sound: ${entry.unreadable}`);
      return;
    }
    if (!entry.batch) {
      findings.fail("ledger_missing", `${named(entry)} is listed by the ledger, and cannot be read there.`);
      return;
    }
    const checked = checkStored(entry.batch, entry.batch.sig !== undefined);
    if ("fault" in checked) {
      findings.fail("seal", `${named(entry)} is in the ledger, not in the log, and not sound: ${checked.fault}`);
      return;
    }
    const { receivedAtMs } = checked.batch;
    const arrived = timeOf(receivedAtMs);
    // While this runs, the clock goes on and batches arrive.
    const latestMs = (liveAtMs ?? Infinity) + performance.now() - began + tolerableLatenessMs;
    if (receivedAtMs > latestMs)
      findings.fail(
        "future",
        `${named(entry)} is in the ledger, not in the log: it arrived ${arrived}, by what it says, and that is still to come.`,
      );
    else if (receivedAtMs > asOfMs - tolerableLatenessMs) waiting += 1;
    else findings.fail("not_in_log", `${named(entry)} is in the ledger, not in the log: it arrived ${arrived}.`);
  }
}

/** A page at a time, so that a log which lags behind costs the ledger, and its audit, few requests. */
async function* entriesOf(ledger: LedgerSource, places: readonly BatchPlace[]): AsyncIterable<LedgerEntry> {
  for (let at = 0; at < places.length; ) {
    const asked = places.slice(at, at + placesPerRequest);
    const entries = await ledger.entries(asked.map(({ emitter, seq }) => ({ emitter, seq })));
    if (
      entries.length === 0 ||
      entries.length > asked.length ||
      entries.some((entry, i) => placeText(entry) !== placeText(asked[i] ?? entry))
    )
      throw new Error("The ledger does not answer for the batches that it was asked for.");
    yield* entries;
    at += entries.length;
  }
}

const named = ({ emitter, seq }: BatchPlace): string => `Batch ${seq} of emitter ${emitter}`;
