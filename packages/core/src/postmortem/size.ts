import type { Postmortem } from "./postmortem.ts";

/** Of a postmortem as JSON: it is one row, and rows have an end. */
export const maxPostmortemBytes = 360_000;
/** Of a draft: people have something to add. */
export const maxDraftBytes = 240_000;

export const bytesOf = (postmortem: Postmortem): number => Buffer.byteLength(JSON.stringify(postmortem));

/** A postmortem with less in it, where it has too much: first receipts go, the last ones first, then contract tests, then the middle of the timeline. What people wrote stays. */
export function fitting(postmortem: Postmortem, maxBytes: number): Postmortem {
  let now = postmortem;
  while (bytesOf(now) > maxBytes) {
    const less = without(now);
    if (less === undefined) break;
    now = less;
  }
  const said = "Some of it had no room: receipts, contract tests or lines of the timeline are missing.";
  return now === postmortem || now.limits.includes(said) ? now : { ...now, limits: [...now.limits, said] };
}

function without(postmortem: Postmortem): Postmortem | undefined {
  const { evidence, contractTests, timeline, actionItems } = postmortem;
  const proven = evidence.findLastIndex(({ receipt }) => receipt !== undefined);
  if (proven >= 0) {
    const bare = evidence.map((item, i) => {
      const { receipt: _, ...rest } = item;
      return i === proven ? rest : item;
    });
    return { ...postmortem, evidence: bare };
  }
  const test = contractTests.at(-1);
  if (test !== undefined) {
    const owed = actionItems.filter(({ title, owner }) => owner !== undefined || !title.includes(test.fileName));
    return { ...postmortem, contractTests: contractTests.slice(0, -1), actionItems: owed };
  }
  const quarter = Math.floor(timeline.length / 4);
  if (quarter === 0) return undefined;
  return { ...postmortem, timeline: [...timeline.slice(0, quarter), ...timeline.slice(-quarter)] };
}
