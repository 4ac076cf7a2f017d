import { buildCommand, type CommandContext } from "@stricli/core";
import type { Postmortem, PostmortemAnswer } from "@tooltrail/api/types";
import type { Change, ItemChange } from "@tooltrail/core/postmortem/edit";
import { plainText } from "@tooltrail/core/telling/words";
import { Refused } from "./client.ts";
import { connect } from "./connect.ts";
import { findIncidentId, idParameter } from "./incident-id.ts";
import { askUntilAnswered } from "./incident-retry.ts";
import { type SendFlags, sendFlags, waitingFor, withKey } from "./incident-send.ts";
import { editable, parseItem, parseOwner, parseRevision, parseSet, type SetText, textsOf } from "./postmortem-input.ts";

interface EditFlags extends SendFlags {
  readonly set?: readonly SetText[];
  readonly item?: readonly ItemChange[];
  readonly owner?: readonly ItemChange[];
  readonly done?: readonly ItemChange[];
  readonly removeItem?: readonly ItemChange[];
  readonly expectRevision?: number;
}

const several = <T>(parse: (text: string) => T, brief: string, placeholder: string) =>
  ({ kind: "parsed", parse, variadic: true, optional: true, brief: `${brief}; may be repeated`, placeholder }) as const;

export const editCommand = buildCommand<EditFlags, [string], CommandContext>({
  docs: {
    brief: "Write into a postmortem: all of it becomes one revision, or nothing does",
    fullDescription: `Fields: ${editable.join(", ")}. It is complete with a summary, a root cause, and action items, each with an owner.`,
  },
  parameters: {
    flags: {
      ...sendFlags,
      set: several(parseSet, "a field's text, or @FILE (@- for stdin)", "FIELD=TEXT"),
      item: several(parseItem, "a new action item: TITLE;type=prevent;owner=NAME;due=2026-02-28", "ITEM"),
      owner: several(parseOwner, "an item's owner", "ITEM=NAME"),
      done: several((id): ItemChange => ({ op: "change", id, done: true }), "an item that is done", "ITEM"),
      removeItem: several((id): ItemChange => ({ op: "remove", id }), "an item that is not to be", "ITEM"),
      expectRevision: {
        kind: "parsed",
        parse: parseRevision,
        optional: true,
        brief: "the revision that you have read: where it is another now, nothing is written",
        placeholder: "N",
      },
    },
    positional: { kind: "tuple", parameters: [idParameter] },
  },
  async func({ data, json, key, set = [], expectRevision, ...items }, text) {
    const actionItems = [
      ...(items.item ?? []),
      ...(items.owner ?? []),
      ...(items.done ?? []),
      ...(items.removeItem ?? []),
    ];
    if (set.length === 0 && actionItems.length === 0)
      throw new Refused(400, "Nothing is to be changed: see --set, --item, --owner, --done and --remove-item.");
    const change: Change = {
      ...(await textsOf(set)),
      ...(actionItems.length > 0 && { actionItems }),
      ...(expectRevision !== undefined && { expectedRevision: expectRevision }),
    };
    const { get, post } = connect({ ...(data && { data }) });
    const waiting = waitingFor(this);
    const id = await askUntilAnswered(waiting, (withinMs) => findIncidentId({ get }, text, { withinMs }));
    const answer = await withKey(this, { ...(key !== undefined && { key }) }, (idempotencyKey) =>
      askUntilAnswered(waiting, (withinMs) =>
        post<PostmortemAnswer>(`/v1/postmortems/${id}/edits`, change, { withinMs, idempotencyKey }),
      ),
    );
    this.process.stdout.write(json ? `${JSON.stringify(answer)}\n` : `${editedText(answer.postmortem)}\n`);
  },
});

/** `inc_…: postmortem, revision 3, draft. It still needs a root cause, and an owner of item_2_1.` */
export function editedText(postmortem: Postmortem): string {
  const { incident, revision, status } = postmortem;
  const needed = neededOf(postmortem);
  const next =
    needed.length === 0
      ? `Possible now: npx tooltrail incident close ${incident}`
      : `It still needs ${needed.join(", ")}.`;
  return plainText(`${incident}: postmortem, revision ${revision}, ${status}. ${next}`);
}

function neededOf({ summary, rootCause, drafted, actionItems }: Postmortem): string[] {
  const unowned = actionItems.filter(({ owner }) => owner === undefined).map(({ id }) => id);
  return [
    ...(summary.trim() === "" || drafted.includes("summary") ? ["a summary"] : []),
    ...(rootCause.trim() === "" || drafted.includes("rootCause") ? ["a root cause"] : []),
    ...(actionItems.length === 0 ? ["an action item"] : []),
    ...(unowned.length > 0 ? [`an owner for ${unowned.join(" and ")}`] : []),
  ];
}
