import type { Attempt, Notice, Ways } from "../incidents/ports.ts";
import type { Destination } from "../response/response.ts";
import { done, Failure, skipped } from "./attempt.ts";
import { asText, cut, wordsOf } from "./words.ts";

/** Longer ones are cut by whoever shows them. */
const maxSubject = 150;

/** An email as plain text. There is no key for it, so one whose answer was lost comes again: at least once. */
export async function tellByEmail(
  ways: Ways,
  { from, to }: Extract<Destination, { readonly type: "email" }>,
  notice: Notice,
): Promise<Attempt> {
  const words = wordsOf(notice);
  if (words === undefined) return skipped;
  if (ways.mail === undefined) throw new Failure("this installation sends no email: that needs Amazon SES.", false);
  await ways.mail.send({ from, to, subject: cut(words.title, maxSubject), text: asText(words) });
  return done;
}
