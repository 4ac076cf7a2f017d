/** What a story consists of, in order. */
export const chapters = [
  "before",
  "release",
  "told",
  "escalation",
  "acknowledge",
  "status",
  "approve",
  "first check",
  "second check",
  "repair",
  "mitigated",
  "resolve",
  "postmortem",
  "proof",
  "close",
] as const;
export type Chapter = (typeof chapters)[number];
