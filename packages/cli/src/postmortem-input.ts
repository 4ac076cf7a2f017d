import type { Change, ItemChange } from "@tooltrail/core/postmortem/edit";
import { type ActionItemType, actionItemTypes, humanFields } from "@tooltrail/core/postmortem/postmortem";
import { parsePair } from "./incident-input.ts";
import { readText } from "./text-input.ts";

export const editable = ["title", ...humanFields] as const;
type Editable = (typeof editable)[number];

export interface SetText {
  readonly field: Editable;
  readonly text: string;
}

/** `field=TEXT` or `field=@FILE`. @throws Error where there is no such field. */
export function parseSet(words: string): SetText {
  const [name, text] = parsePair(words);
  const field = editable.find((one) => one === name);
  if (field === undefined) throw new Error(`"${name}" is none of ${editable.join(", ")}`);
  return { field, text };
}

/** More than any field takes; what has more is refused by the pipeline. */
const maxBytes = 20_000;

/** What is to be set, with the texts of files. */
export async function textsOf(sets: readonly SetText[]): Promise<Change> {
  const texts = await Promise.all(
    sets.map(async ({ field, text }) => [field, text.startsWith("@") ? await readText(text.slice(1), maxBytes) : text]),
  );
  return Object.fromEntries(texts);
}

type Added = Extract<ItemChange, { op: "add" }>;

/** `TITLE;type=prevent;owner=NAME;due=2026-02-28`: owner and due may be left out. A title may have semicolons. @throws Error */
export function parseItem(words: string): Added {
  const parts = words.split(";").map((part) => part.trim());
  const named = new Map<string, string>();
  for (let part = parts.at(-1); part !== undefined && /^(type|owner|due)=./.test(part); part = parts.at(-1)) {
    const [name, value] = parsePair(part);
    named.set(name, value);
    parts.pop();
  }
  const [title, owner, due] = [parts.join("; "), named.get("owner"), named.get("due")];
  if (title === "") throw new Error(`"${words}" has no title`);
  return {
    op: "add",
    title,
    type: parseType(named.get("type")),
    ...(owner !== undefined && { owner }),
    ...(due !== undefined && { dueAt: parseDay(due) }),
  };
}

function parseType(text: string | undefined): ActionItemType {
  const type = actionItemTypes.find((one) => one === text);
  if (type === undefined) throw new Error(`an item's type is one of ${actionItemTypes.join(", ")}: TITLE;type=prevent`);
  return type;
}

function parseDay(text: string): number {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw new Error(`due: "${text}" is not a day like 2026-02-28`);
  return at;
}

/** `ITEM=NAME`; without a name the item has no owner any more. */
export function parseOwner(words: string): ItemChange {
  const [id, owner] = parsePair(words);
  return { op: "change", id, owner: owner === "" ? null : owner };
}

export function parseRevision(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Error(`"${text}" is not the number of a revision`);
  return Number(text);
}
