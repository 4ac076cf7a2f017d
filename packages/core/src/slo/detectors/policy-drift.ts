import { detector } from "./detector.ts";

/** One is one too many: a call that ran although the decision was another than "allow" went round the policy. Hence no baseline, and no statistics. */
export const policyDrift = detector(
  {
    name: "policy_drift",
    severity: "page",
    failureMode: "C2",
    method: "count of calls that were executed although the decision was not allow",
    threshold: "one call",
    minimumSample: "one call",
  },
  {
    weigh: ({ attempts = 0, drifted = 0 }) => ({
      excess: drifted > 0 ? drifted : Number.NEGATIVE_INFINITY,
      sample: attempts,
      observed: drifted,
      expected: 0,
    }),
    restarts: true,
    judge: ({ observed, sample, expected }) => ({
      observed,
      expected,
      threshold: 0,
      sample,
      detail: `${observed} ${observed === 1 ? "call was" : "calls were"} executed although the decision was not "allow": look for an override, or for a way round the policy.`,
    }),
  },
);
