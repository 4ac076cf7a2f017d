import type { Playbook, Target } from "./response.ts";

/** A gate over five minutes: short, since two of them in a row decide. `minCalls` is what a small server has in them. */
export const gate = (
  sli: Target["sli"],
  op: Target["op"],
  value: number,
  more: Pick<Partial<Target>, "thresholdMs" | "thresholdPermille" | "minCalls"> = {},
): Target => ({ sli, op, value, windowMinutes: 5, minCalls: 10, ...more });

/** A release, or a change of ours, within it is where to look first. */
export const latelyMinutes = 120;

/** What all built-in playbooks have in common. */
export const standard = {
  kind: "Playbook",
  version: 1,
  rollbackTrigger: { gate: "verification", consecutiveFails: 2 },
} as const satisfies Partial<Playbook>;

/** A status is due every 20 minutes. */
export const told = (owner: string, etaMinutes = 60): Playbook["communication"] => ({
  owner,
  etaMinutes,
  cadenceMinutes: 20,
});

export const learned = (
  questions: readonly string[],
  testTemplates: Playbook["learning"]["testTemplates"] = [],
): Playbook["learning"] => ({ postmortem: "required", questions, testTemplates });
