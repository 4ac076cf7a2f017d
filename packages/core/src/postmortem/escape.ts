import { markerWord } from "./postmortem.ts";

/** Invisible, and what is behind it mentions nobody and links to nothing. */
const pause = "\u200b";

/**
 * A text of others in one line of Markdown, as what it says and nothing more: no markup, no links, no mentions (`@team`, `#12`), nothing that hides or turns the direction of writing, and no marker of a ticket.
 */
export const escaped = (text: string): string =>
  text
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}]+/gu, " ")
    .replaceAll(markerWord, markerWord.replace("-", " "))
    .replaceAll(/[\\`*{}[\]<>()#!|~&$]|(?<!\w)_|_(?!\w)/g, "\\$&")
    .replaceAll(/^(\s*)([-+=])/g, "$1\\$2")
    .replaceAll(/^(\s*\d+)\./g, "$1\\.")
    .replaceAll(/(@|\\#|GH-)(?=\w)/gi, `$1${pause}`)
    .replaceAll(/(https?|ftp|mailto)(?=:)|www(?=\.)/gi, `$&${pause}`);

/** It is written as it is, and so has nothing in it that is not seen: no control character for a terminal, nothing that hides where it leads. */
const link = /https?:\/\/[^\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800<>()[\]"'`|\\*]+(?<![.,;:!?])/gu;

/** What people wrote, as paragraphs; a line that begins with `- ` or `* ` is one of a list. Links stay links. */
export function paragraphs(text: string): string {
  return text
    .split("\n")
    .map((line) => line.trim())
    .map((line) => (/^[-*] /.test(line) ? `- ${linked(line.slice(2))}` : linked(line)))
    .join("\n")
    .replaceAll(/\n{3,}/g, "\n\n")
    .replaceAll(/^([^-\n].*)\n(?=- )|^(- .*)\n(?=[^-\n])/gm, "$1$2\n\n");
}

function linked(line: string): string {
  const links = line.match(link) ?? [];
  const between = line.split(link).map(escaped);
  return between
    .map((part, i) => `${part}${links[i] === undefined ? "" : `[${escaped(links[i])}](${links[i]})`}`)
    .join("");
}

/** Text as it is, in a fence that nothing in it closes. */
export function fenced(text: string, language = ""): string {
  const longest = (text.match(/`+/g) ?? []).reduce((most, run) => Math.max(most, run.length), 2);
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text.replace(/\n+$/, "")}\n${fence}`;
}

export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
