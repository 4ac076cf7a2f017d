import type { Attempt, Notice, Ways } from "../incidents/ports.ts";
import type { Destination } from "../response/response.ts";
import { done, Failure, skipped } from "./attempt.ts";
import { asText, cut, wordsOf } from "./words.ts";

/** A subject is ASCII, and shorter than this (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html). */
const maxSubject = 99;
/** UTF-16 units of at most three bytes each, well below the 256 KB that a message may have. */
const maxText = 60_000;

/** A message to a topic of Amazon SNS. There is no key for it, so one whose answer was lost comes again: at least once. */
export async function tellTopic(
  ways: Ways,
  { topicArn }: Extract<Destination, { readonly type: "sns" }>,
  notice: Notice,
): Promise<Attempt> {
  const words = wordsOf(notice);
  if (words === undefined) return skipped;
  if (ways.topics === undefined) throw new Failure("this installation has no topics: that needs Amazon SNS.", false);
  const ascii = words.title.replace(/[^\x20-\x7e]/gu, "?");
  const subject = ascii.length > maxSubject ? `${ascii.slice(0, maxSubject - 3)}...` : ascii;
  await ways.topics.publish({ topicArn, subject, text: cut(asText(words), maxText) });
  return done;
}
