import {
  type ActionItem,
  type ActionItemType,
  actionItemTypes,
  type HumanField,
  humanFields,
  isComplete,
  type Postmortem,
} from "./postmortem.ts";
import { bytesOf, maxPostmortemBytes } from "./size.ts";

/** What becomes of action items. What a change does not name stays; an owner or a time that is null is taken away. */
export type ItemChange =
  | {
      readonly op: "add";
      readonly title: string;
      readonly type: ActionItemType;
      readonly owner?: string;
      readonly dueAt?: number;
    }
  | {
      readonly op: "change";
      readonly id: string;
      readonly title?: string;
      readonly type?: ActionItemType;
      readonly owner?: string | null;
      readonly dueAt?: number | null;
      readonly done?: boolean;
    }
  | { readonly op: "remove"; readonly id: string };

/** `expectedRevision`: what whoever edits has read. Without it the last one to write has it. */
export type Change = { readonly [field in HumanField]?: string } & {
  readonly title?: string;
  readonly actionItems?: readonly ItemChange[];
  readonly expectedRevision?: number;
};

export type Edited = { readonly postmortem: Postmortem } | { readonly refused: string };

/** Characters. */
export const maxFieldLength = 4_000;
export const maxTitleLength = 300;
export const maxOwnerLength = 100;
export const maxActionItems = 50;
const maxTime = 8.64e15;

/**
 * What people say, as the next revision; all of a change, or nothing. What the records say cannot be changed.
 *
 * @param by a pseudonym.
 */
export function editPostmortem(postmortem: Postmortem, change: Change, by: string, nowMs: number): Edited {
  const { revision } = postmortem;
  if (change.expectedRevision !== undefined && change.expectedRevision !== revision)
    return {
      refused: `It has been changed meanwhile: it is at revision ${revision}, not ${change.expectedRevision}. Read it again.`,
    };
  const texts = humanFields.flatMap((field) => (change[field] === undefined ? [] : [[field, change[field]] as const]));
  const items = change.actionItems ?? [];
  if (texts.length === 0 && items.length === 0 && change.title === undefined)
    return { refused: `Nothing is to be changed. There are title, actionItems and ${humanFields.join(", ")}.` };
  for (const [field, text] of texts) {
    const fault = faultOf(field, text, 0, maxFieldLength);
    if (fault) return { refused: fault };
  }
  const titleFault = change.title === undefined ? undefined : faultOf("title", change.title, 1, maxTitleLength);
  if (titleFault) return { refused: titleFault };

  const done = changeItems(postmortem.actionItems, items, revision + 1);
  if ("refused" in done) return done;
  const written = texts.map(([field]) => field);
  const next = {
    ...postmortem,
    ...Object.fromEntries(texts.map(([field, text]) => [field, text.trim()])),
    ...(change.title !== undefined && { title: change.title.trim() }),
    revision: revision + 1,
    at: nowMs,
    by,
    authors: postmortem.authors.includes(by) ? postmortem.authors : [...postmortem.authors, by],
    drafted: postmortem.drafted.filter((field) => !written.includes(field)),
    actionItems: done.items,
  };
  const made: Postmortem = { ...next, status: isComplete(next) ? "complete" : "draft" };
  const bytes = bytesOf(made);
  return bytes > maxPostmortemBytes
    ? { refused: `It would have ${bytes} bytes, where ${maxPostmortemBytes} are the most. Write less.` }
    : { postmortem: made };
}

/** @returns what is wrong with a text, in words. */
function faultOf(name: string, text: string, least: number, most: number): string | undefined {
  if (!text.isWellFormed()) return `${name}: not well-formed Unicode.`;
  if (text.trim().length < least) return `${name}: empty.`;
  return text.length > most ? `${name}: ${text.length} characters, where ${most} are the most.` : undefined;
}

type Items = { readonly items: readonly ActionItem[] } | { readonly refused: string };

function changeItems(before: readonly ActionItem[], changes: readonly ItemChange[], revision: number): Items {
  let items = before;
  let added = 0;
  for (const change of changes) {
    const fault = itemFault(items, change);
    if (fault) return { refused: fault };
    switch (change.op) {
      case "add": {
        added += 1;
        const { op: _, ...item } = change;
        items = [...items, { id: `item_${revision}_${added}`, ...item }];
        break;
      }
      case "change":
        items = items.map((item) => (item.id === change.id ? changed(item, change) : item));
        break;
      case "remove":
        items = items.filter(({ id }) => id !== change.id);
        break;
    }
  }
  return items.length > maxActionItems
    ? { refused: `actionItems: ${items.length}, where ${maxActionItems} are the most.` }
    : { items };
}

function itemFault(items: readonly ActionItem[], change: ItemChange): string | undefined {
  if (change.op !== "add" && !items.some(({ id }) => id === change.id))
    return `actionItems: there is no ${change.id.slice(0, 100)}. There are: ${items.map(({ id }) => id).join(", ") || "none"}.`;
  if (change.op === "remove") return undefined;
  const { title, owner, dueAt, type } = change;
  if (type !== undefined && !actionItemTypes.includes(type))
    return `actionItems: a type is one of ${actionItemTypes.join(", ")}.`;
  if (dueAt !== undefined && dueAt !== null && !(Number.isSafeInteger(dueAt) && Math.abs(dueAt) <= maxTime))
    return "actionItems: dueAt is a time in milliseconds.";
  return (
    (title === undefined ? undefined : faultOf("actionItems: title", title, 1, maxTitleLength)) ??
    (typeof owner === "string" ? faultOf("actionItems: owner", owner, 1, maxOwnerLength) : undefined)
  );
}

function changed(
  item: ActionItem,
  { title, type, owner, dueAt, done }: Extract<ItemChange, { op: "change" }>,
): ActionItem {
  const { owner: hadOwner, dueAt: wasDue, ...rest } = item;
  const nowOwner = owner === undefined ? hadOwner : owner;
  const nowDue = dueAt === undefined ? wasDue : dueAt;
  return {
    ...rest,
    ...(title !== undefined && { title }),
    ...(type !== undefined && { type }),
    ...(typeof nowOwner === "string" && { owner: nowOwner }),
    ...(typeof nowDue === "number" && { dueAt: nowDue }),
    ...(done !== undefined && { done }),
  };
}
