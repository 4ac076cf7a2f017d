import { gate, latelyMinutes, learned, standard, told } from "./playbook-parts.ts";
import type { Playbook } from "./response.ts";

/** Scenarios: something was done, or came together, and the server no longer does what it did. */
export const scenarioPlaybooks: readonly Playbook[] = [
  {
    ...standard,
    id: "d1-release-volume",
    title: "Request volume spiked after a release, and calls are slow",
    trigger: [{ signals: ["latency"], releasedWithinMinutes: latelyMinutes, volumeRatio: 1.5 }],
    hypothesis:
      "The release made callers ask more often, or made one call cost more, and the server queues. Smallest reproduction: replay the last ten minutes' mix of one tool against the new version and the one before it, at the same concurrency, and compare p95. If both are slow, it is volume; if only the new one is, it is the release.",
    immediateAction: {
      kind: "cap_concurrency",
      params: { maxConcurrentCalls: 16, maxQueuedCalls: 64, whenFull: "reject" },
      approval: "none",
      why: "A bounded queue answers some callers in time and refuses the rest at once; an unbounded one makes all of them wait. It is undone in one step.",
    },
    engineeringControl:
      "Adaptive concurrency limits that follow measured latency (additive increase, multiplicative decrease), and a bound on every queue, with a refusal that says when to come again. The release is ramped up in steps, and held where p95 moves.",
    verificationTarget: [
      gate("latency", ">=", 0.95, { thresholdMs: 10_000, minCalls: 20 }),
      gate("latency", ">=", 0.99, { thresholdMs: 20_000, minCalls: 20 }),
    ],
    communication: told("on-call engineer of the server"),
    learning: learned([
      "Which caller's volume grew, and did the release make it grow?",
      "At which concurrency does p95 leave its objective, and is that measured before each release?",
      "Which queue had no bound, and which callers did not take a refusal for an answer?",
    ]),
  },
  {
    ...standard,
    id: "d2-dependency-latency",
    title: "A tool's dependency becomes slow under concurrency",
    trigger: [{ signals: ["latency"] }],
    hypothesis:
      "One tool waits for something behind it (a database, an API, a lock) that slows down with the number of calls at once. Smallest reproduction: that tool alone, called once and then ten times at once with the same arguments. If the one call is quick and the ten are slow, it is contention; if the one is slow, the dependency itself is.",
    immediateAction: {
      kind: "open_breaker",
      params: { failurePercent: 50, minCalls: 10, slowMs: 10_000, openSeconds: 30, halfOpenCalls: 3 },
      approval: "required",
      why: "Calls that would wait fail at once, or take the fallback, so the tools that do not need this dependency keep their share of the server.",
    },
    engineeringControl:
      "Retries in stages with full jitter and a budget of a tenth of the calls; a timeout on each call to the dependency that is shorter than the caller's; a circuit breaker with a fallback that says that it is one.",
    verificationTarget: [
      gate("burn", "<", 6),
      gate("latency", ">=", 0.95, { thresholdMs: 10_000 }),
      gate("retries", "<=", 0.1),
    ],
    communication: told("on-call engineer of the server"),
    learning: learned([
      "Which dependency was it, and from how many calls at once does it slow down?",
      "Did its timeout end before the caller's, and did retries add to its load?",
      "What did callers get while the breaker was open, and was it of use to them?",
    ]),
  },
  {
    ...standard,
    id: "d3-schema-update",
    title: "A schema update brought payloads that do not fit",
    trigger: [{ signals: ["schema"], releasedWithinMinutes: latelyMinutes }],
    hypothesis:
      "The new version declares, asks for or answers something that callers built on the old one do not send or cannot read. Smallest reproduction: one call of the failing tool with the recorded shape of its arguments, against the new version and the one before it; compare the two definitions field by field.",
    immediateAction: {
      kind: "pin_schema",
      params: { to: "last-good", scope: "failing-tools" },
      approval: "required",
      why: "Callers keep the contract that they were built on, while the difference is read and a shim is written.",
    },
    engineeringControl:
      "Schema versions are pinned by callers and served side by side; a compatibility shim translates the old shape for as long as anybody sends it; a release that changes a definition incompatibly is refused by the contract tests.",
    verificationTarget: [gate("schema", ">=", 0.99), gate("throughput", ">=", 0.9)],
    communication: told("owner of the server's release"),
    learning: learned(
      [
        "Which field changed, and was the change known to be incompatible?",
        "Which callers still send the old shape, and who tells them?",
        "Why did no contract test of the release fail?",
      ],
      ["contract"],
    ),
  },
  {
    ...standard,
    id: "d4-environment-parity",
    title: "Environments have drifted apart, and what works in one fails in another",
    trigger: [{ signals: ["schema", "quality", "silent_regression", "retry_storm"], environmentsDiffer: true }],
    hypothesis:
      "The failing environment runs another version or other settings than the one in which this was tested. Smallest reproduction: the same call with the same arguments in both environments; then one difference (version, configuration, credentials, data) is taken over at a time until they agree.",
    immediateAction: {
      kind: "cap_concurrency",
      params: { maxConcurrentCalls: 8, maxRetriesPerCall: 1 },
      approval: "none",
      why: "While the environments are compared, callers that retry must not turn a difference into an outage. It is undone in one step.",
    },
    engineeringControl:
      "What runs in production is what ran in staging: one artefact and one configuration, promoted as they are and never edited in place; the versions of all environments are compared on a schedule.",
    verificationTarget: [gate("retries", "<=", 0.05), gate("throughput", "<=", 2)],
    communication: told("owner of the server's release"),
    learning: learned(
      [
        "Which difference was it, and who or what made it?",
        "Since when were the environments different, and what should have said so?",
        "Did retries feed on themselves, and what bounded them?",
      ],
      ["contract"],
    ),
  },
  {
    ...standard,
    id: "d5-access-policy",
    title: "An access policy was changed, and calls that went well are refused",
    trigger: [{ signals: ["auth_mismatch"], changedWithinMinutes: latelyMinutes }],
    hypothesis:
      "The change took away a scope that a caller needs, or a key that was rotated is still in use. Smallest reproduction: one refused call by one principal under the policy of now and the one before it. If the old one allows it, it is the policy; if neither does, it is the credential.",
    immediateAction: {
      kind: "revert_policy",
      params: { to: "previous", scope: "refused-principals" },
      approval: "required",
      why: "Callers get back what they were allowed an hour ago. Somebody has to approve it, since the change may have been made for a reason: a leaked key stays refused.",
    },
    engineeringControl:
      "Credentials are scoped anew, each to the tools that its principal has used; leaked and stale keys are rotated, with the old and the new one valid side by side for a while; a change of policy is first tried against the calls of the last week.",
    verificationTarget: [gate("refused", "<=", 0.02), gate("availability", ">=", 0.99)],
    communication: told("owner of the access policy"),
    learning: learned([
      "Which principals lost which tools, and had they used them lately?",
      "Was data written by half while calls were refused? Check that what was written can be read, and is whole.",
      "Would a trial of the policy against recorded calls have shown it?",
    ]),
  },
  {
    ...standard,
    id: "d6-backlog",
    title: "Work piles up past its window, and what is told is late",
    trigger: [{ signals: ["data_degraded"] }, { signals: ["freshness"], volumeRatio: 2 }],
    hypothesis:
      "Jobs in the background come in faster than they are done, or one of them has stopped. Smallest reproduction: one job by itself, timed; and the age of the oldest that waits, now and five minutes later. If the one job is quick and the age grows, there are too many; if it is stuck, all wait behind it.",
    immediateAction: {
      kind: "degrade",
      params: { keep: "core-user-paths", pause: "background-jobs", maxBacklogMinutes: 15 },
      approval: "required",
      why: "What users wait for goes first; what can be done later is done later, and nothing is thrown away.",
    },
    engineeringControl:
      "A mode of degraded work that is known and tried: the core paths keep their share, jobs have a deadline and a place for those that miss it. Every change of the control plane made meanwhile is an audit record: `tooltrail records --kind control` lists them, and none may be missing.",
    verificationTarget: [gate("availability", ">=", 0.99, { minCalls: 5 }), gate("throughput", ">=", 0.8)],
    communication: told("on-call engineer of the pipeline", 90),
    learning: learned([
      "Which job fell behind first, and how long before anybody was told?",
      "Does the audit log hold every change that was made meanwhile, each with who made it?",
      "Which figures were wrong or late meanwhile, and who has relied on them?",
    ]),
  },
];
