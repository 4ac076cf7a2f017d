import type { PipelineEvent } from "@tooltrail/format";
import { expect, test } from "vitest";
import { watch } from "./watch.ts";

test("a change and a removal are breaches, and said; what is new is neither", async () => {
  const said: PipelineEvent[] = [];
  const events = { publish: async (event: PipelineEvent) => void said.push(event) };
  const batch = { emitter: "e", seq: 3 };
  const breaches = [];
  for (const what of ["inserted", "modified", "removed"] as const)
    breaches.push(await watch(events, { what, ...batch }));
  expect(breaches).toEqual([false, true, true]);
  expect(said).toEqual([
    { type: "integrity.conflict", what: "ledger_modified", ...batch },
    { type: "integrity.conflict", what: "ledger_removed", ...batch },
  ]);
});
