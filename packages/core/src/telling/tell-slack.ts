import type { Attempt, Notice } from "../incidents/ports.ts";
import type { Destination } from "../response/response.ts";
import { done, type Errand, Failure, skipped } from "./attempt.ts";
import { cut, type Line, type Words, wordsOf } from "./words.ts";

const maxHeader = 150;
const maxSection = 3_000;
/** Of all sections. The limit that is documented is higher, and what Slack refuses as `msg_blocks_too_long` begins at about 13,000. */
const maxMessage = 12_000;
/** Of a line before it is escaped, which makes up to five characters of one. The first with which all of it fits; with the last it always does. */
const lineLengths = [550, 200, 80, 40];
const maxLink = 1_000;

/**
 * A Slack channel by an incoming webhook (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, blocks: https://docs.slack.dev/reference/block-kit/blocks), whose whole address is
 * the secret. It takes no key, so a message whose answer was lost comes again: at least once. An answer of the four hundreds (`no_service`, `invalid_payload`, `channel_is_archived`) is final, but for
 * a rate limit.
 */
export async function tellSlack(
  errand: Errand,
  destination: Extract<Destination, { readonly type: "slack" }>,
  notice: Notice,
): Promise<Attempt> {
  const words = wordsOf(notice);
  if (words === undefined) return skipped;
  const answer = await errand.send({
    method: "POST",
    url: await errand.secret(destination.url),
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ text: escapeMrkdwn(words.title), blocks: blocksOf(words) }),
  });
  // Whatever stands between may answer 200 by itself, with a page of its own.
  if (answer.body.trim() !== "ok")
    throw new Failure(`the answer was not "ok": ${errand.quote(answer.body, 300)}`, true);
  return done;
}

function blocksOf({ title, lines, links }: Words): object[] {
  const shown = links
    .map(({ text, url }) => `<${escapeUrl(url)}|${escapeMrkdwn(text)}>`)
    .filter((link) => link.length <= maxLink);
  const texts = lineLengths.map((max) => [...lines.map((line) => lineText(line, max)), ...shown]);
  const fitting = texts.find((some) => some.join("\n").length <= maxMessage) ?? texts.at(-1) ?? [];
  return [
    { type: "header", text: { type: "plain_text", text: cut(title, maxHeader), emoji: false } },
    // `verbatim`: names that look like addresses and channels are made no links.
    ...sections(fitting).map((text) => ({ type: "section", text: { type: "mrkdwn", text, verbatim: true } })),
  ];
}

/** As many lines in each as fit. */
function sections(lines: readonly string[]): string[] {
  const texts: string[] = [];
  for (const line of lines) {
    const last = texts.at(-1);
    if (last !== undefined && last.length + 1 + line.length <= maxSection) texts[texts.length - 1] = `${last}\n${line}`;
    else texts.push(line);
  }
  return texts;
}

function lineText({ label, text, isCommand }: Line, max: number): string {
  // Half a command is none, and ours are short.
  const escaped = escapeMrkdwn(isCommand ? text : cut(text, max));
  return `*${escapeMrkdwn(label)}:* ${isCommand ? `\`${escaped}\`` : escaped}`;
}

const escapes: { readonly [character: string]: string } = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "`": "'",
  "*": "∗",
  "~": "∼",
  _: "ˍ",
};

/**
 * Text in Slack's markup that nothing comes out of: no mention, no link, no code, no emphasis. `& < >` are written as Slack asks (https://docs.slack.dev/messaging/formatting-message-text); for what
 * begins and ends code and emphasis it knows no escape, so these become characters that look like them. An underscore within a word is left: it does nothing there, and names have many.
 */
export const escapeMrkdwn = (text: string): string =>
  text.replace(/[&<>`*~]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, (character) => escapes[character] ?? character);

/** An address that is a URL's `href` already. What ends a link in Slack's markup is encoded. */
const escapeUrl = (url: string): string =>
  url.replaceAll("&", "&amp;").replaceAll("<", "%3C").replaceAll(">", "%3E").replaceAll("|", "%7C");
