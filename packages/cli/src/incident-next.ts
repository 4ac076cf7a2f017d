import type { CommandType, Incident, IncidentAnswer } from "@tooltrail/api/types";
import { plainText } from "@tooltrail/core/telling/words";
import { paramText } from "./incident-input.ts";

type Action = Incident["actions"][number];

/** Which actions a command is of; a command that is not here is of the incident itself. */
const actionStates: { readonly [type in CommandType]?: readonly Action["state"][] } = {
  approve: ["requested"],
  reject: ["requested"],
  finish: ["started", "undoing"],
  undo: ["started", "done", "failed"],
};

/** What is to be said with a command. In angle brackets, a shell refuses what was pasted and not filled in. */
const wanted: { readonly [type in CommandType]?: string } = {
  status: "--owner <NAME> --eta 45m <TEXT>",
  note: "<TEXT>",
  cancel: "--reason <TEXT>",
  merge: "--into <ID>",
  reject: "--reason <TEXT>",
  judge: "<pass|fail> --reason <TEXT>",
  finish: "--detail <TEXT>",
};

const inHand: readonly Action["state"][] = ["requested", "started", "undoing", "done"];

export const wordOf = (type: CommandType): string => (type === "acknowledge" ? "ack" : type);

/** Commands that would not be refused now, as words. */
export const possibleNow = (answer: IncidentAnswer): string[] => [
  ...new Set(possible(answer).map(({ type }) => wordOf(type))),
];

/** The same as lines for a terminal. */
export function commandsNow(answer: IncidentAnswer): string[] {
  const { incident } = answer;
  const { id, status, postmortem } = incident;
  const lines = possible(answer).map(({ type, action }) => {
    const words = [id, action?.id, type === "act" ? actText(incident) : wanted[type]];
    return `npx tooltrail incident ${[wordOf(type), ...words].filter((word) => word !== undefined).join(" ")}`;
  });
  if (postmortem === undefined) return lines;
  const edit = `npx tooltrail postmortem edit ${id} --set summary=<TEXT> --set rootCause=<TEXT> --item <TITLE;type=prevent;owner=NAME>`;
  const isToWrite = status === "resolved" && !postmortem.isComplete;
  return [...lines, `npx tooltrail postmortem show ${id}`, ...(isToWrite ? [edit] : [])];
}

interface Possible {
  readonly type: CommandType;
  readonly action?: Action;
}

function possible({ incident, allowed }: IncidentAnswer): Possible[] {
  return allowed.flatMap((type): Possible[] => {
    const states = actionStates[type];
    if (states !== undefined)
      return incident.actions.filter(({ state }) => states.includes(state)).map((action) => ({ type, action }));
    return [{ type }];
  });
}

export const approveText = (incident: string, action: string): string =>
  `npx tooltrail incident approve ${incident} ${action}`;

/** What the playbook would do, unless it is being done. */
export function actText({ playbook, actions }: Pick<Incident, "playbook" | "actions">): string {
  const { kind, params } = playbook.immediateAction;
  if (actions.some((action) => action.kind === kind && inHand.includes(action.state))) return "<KIND>";
  const given = Object.entries(params).map(([name, value]) => `--param ${quoted(`${name}=${paramText(value)}`)}`);
  return [kind, ...given].join(" ");
}

/** One word for a shell, whatever is in it. */
const quoted = (text: string): string => {
  const line = plainText(text);
  return /^[\w.,:=@%+/-]+$/.test(line) ? line : `'${line.replaceAll("'", "'\\''")}'`;
};
