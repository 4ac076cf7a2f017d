import { recordSchema } from "@tooltrail/format";
import { expect, test } from "vitest";
import type { RecordView } from "../query.ts";
import { toOcsf } from "./ocsf.ts";
import { toOtel } from "./otel.ts";

type Decided = Extract<RecordView, { kind: "call" }>["decision"];

const approver = `p_${"b".repeat(26)}`;

const aCall = (decision: Decided): RecordView => ({
  id: `rec_${"e".repeat(26)}_0_0`,
  schema: recordSchema,
  kind: "call",
  at: 1_800_000_000_000,
  callId: `call_${"a".repeat(26)}`,
  attempt: 1,
  final: true,
  principal: { ref: `p_${"a".repeat(26)}`, method: "os", verified: true },
  tool: "refund",
  outcome: { class: "ok" },
  server: { id: "billing" },
  sealed: true,
  enrolled: true,
  receivedAt: 1_800_000_000_500,
  account: "000000000000",
  ...(decision && { decision }),
});

test.each([
  [undefined, undefined, undefined],
  [{ effect: "allow" }, [{ decision: "allow" }], undefined],
  [{ effect: "deny", rule: "r1" }, [{ decision: "deny", policy: { uid: "r1" } }], undefined],
  // OCSF has no policy without a name or an id.
  [{ effect: "allow", policyVersion: "7" }, [{ decision: "allow" }], { decision_policy_version: "7" }],
  [
    { effect: "require_approval", rule: "r1", policyVersion: "7", approver },
    [{ decision: "require_approval", policy: { uid: "r1", version: "7" } }],
    { decision_policy_version: "7", decision_approver: approver },
  ],
] as const)("the decision %j is an authorization of the actor in OCSF", (decision, authorizations, unmapped) => {
  const said = toOcsf(aCall(decision)) as { actor: { authorizations?: unknown }; unmapped: object };
  expect(said.actor.authorizations).toEqual(authorizations);
  expect(Object.fromEntries(Object.entries(said.unmapped).filter(([name]) => name.startsWith("decision")))).toEqual(
    unmapped ?? {},
  );
});

test("a decision is attributes of the span in OTel", () => {
  const said = JSON.stringify(toOtel(aCall({ effect: "require_approval", rule: "r1", policyVersion: "7", approver })));
  for (const [name, value] of Object.entries({ effect: "require_approval", rule: "r1", policy_version: "7", approver }))
    expect(said).toContain(`{"key":"tooltrail.decision.${name}","value":{"stringValue":"${value}"}}`);
});
