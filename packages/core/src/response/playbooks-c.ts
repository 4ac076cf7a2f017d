import { gate, learned, standard, told } from "./playbook-parts.ts";
import type { Playbook } from "./response.ts";

/** Failure modes of MCP fleets, each with its countermeasure; what is picked where no scenario fits better. */
export const failureModePlaybooks: readonly Playbook[] = [
  {
    ...standard,
    id: "c1-stale-context",
    title: "Answers are older than they may be",
    trigger: [{ signals: ["freshness"] }],
    hypothesis:
      "A cache, an index or a snapshot has no window in which it must be refreshed, or its refresh has stopped. Smallest reproduction: one question whose answer is known to have changed, asked twice, once past the cache. If the two answers differ, the cache is stale; if both are old, its source is.",
    immediateAction: {
      kind: "degrade",
      params: { bypassCache: true, markStaleAnswers: true },
      approval: "required",
      why: "A slow answer that is right, or one that says how old it is, does less harm than a quick one that is wrong.",
    },
    engineeringControl:
      "Context has a time to live, and a hook that refreshes it when its source changes; an answer past its time says so; the refresh itself is watched.",
    verificationTarget: [gate("freshness", ">=", 0.95, { thresholdMs: 1_000_000, minCalls: 5 })],
    communication: told("owner of the server's data"),
    learning: learned([
      "What was to refresh this context, and since when did it not?",
      "Which answers were given from stale context, and what was done because of them?",
      "How old may each kind of answer be, and where is that written?",
    ]),
  },
  {
    ...standard,
    id: "c2-policy-drift",
    title: "A call was executed that policy had not allowed",
    trigger: [{ signals: ["policy_drift"] }],
    hypothesis:
      "Somebody overrode the policy by hand, or there is a way round it: a server reached without the proxy, an old copy of the policy, a default that allows. Smallest reproduction: the recorded call's principal, tool and environment, decided by the approved policy and by the one that is in force.",
    immediateAction: {
      kind: "revert_policy",
      params: { to: "approved-baseline", dropOverrides: true },
      approval: "required",
      why: "The approved policy is the one that people have agreed on. Until it is in force again, each call may be one more that nobody allowed.",
    },
    engineeringControl:
      "Policies come from one place as profiles, by role and environment; overrides have an owner and an end; the policy in force is compared with the approved one on a schedule, and what is not mediated is not reachable.",
    verificationTarget: [
      gate("availability", ">=", 0.95, { minCalls: 5 }),
      gate("refused", "<=", 0.2, { minCalls: 5 }),
    ],
    communication: told("security on call", 120),
    learning: learned([
      "What was executed without being allowed, by whom, and what came of it?",
      "Who made the override, or which way round was it, and who knew of it?",
      "Which control would have refused the call, and why was it not there?",
    ]),
  },
  {
    ...standard,
    id: "c3-auth-mismatch",
    title: "Bursts of 401 and 403",
    trigger: [{ signals: ["auth_mismatch"] }],
    hypothesis:
      "A credential that several callers share has expired or was rotated, or has other scopes than they need. Smallest reproduction: one refused call by one principal with its credential of now, and with a fresh one. If the fresh one is taken, it is the credential; if not, it is the scope.",
    immediateAction: {
      kind: "rotate_credential",
      params: { which: "refused", overlapMinutes: 60 },
      approval: "required",
      why: "A fresh credential beside the old one lets callers go on, and ends the use of one that may have leaked.",
    },
    engineeringControl:
      "Each caller has a credential of its own with the least scope that it needs; credentials are rotated on a schedule with an overlap, and one that nears its end is said before it is over.",
    verificationTarget: [gate("refused", "<=", 0.05, { minCalls: 20 })],
    communication: told("owner of the credentials"),
    learning: learned([
      "Which credential was it, who shares it, and who should have its own?",
      "Did anybody refuse it on purpose? Then why was it still in use?",
      "When would the next one end, and who is told before?",
    ]),
  },
  {
    ...standard,
    id: "c4-schema-breakage",
    title: "Payloads do not fit their schemas",
    trigger: [{ signals: ["schema", "schema_breakage"] }],
    hypothesis:
      "Something upstream has changed what it sends or takes, and nobody here was told. Smallest reproduction: one failing call with the recorded shape of its arguments, checked against the tool's definition of now and of the last version under which it fitted.",
    immediateAction: {
      kind: "pin_schema",
      params: { to: "last-good", scope: "failing-tools" },
      approval: "required",
      why: "The last definition that fitted keeps callers and server in step until the change is understood.",
    },
    engineeringControl:
      "Contract tests for each release, made from the definitions and from recorded shapes, of our own servers and of what they stand on; what does not fit is refused at the edge, with the field's name.",
    verificationTarget: [gate("schema", ">=", 0.99)],
    communication: told("on-call engineer of the server"),
    learning: learned(
      [
        "What changed upstream, and where was it announced?",
        "Which payloads were refused or misread meanwhile, and can they be replayed?",
        "Which contract test fails on the changed payload, and runs from now on?",
      ],
      ["contract"],
    ),
  },
  {
    ...standard,
    id: "c5-retry-storm",
    title: "Callers retry without backing off",
    trigger: [{ signals: ["retry_storm", "retry_amplification"] }],
    hypothesis:
      "Something fails for a moment, each caller tries again at once, and the tries are now the load. Smallest reproduction: one caller against a server that fails every second call; count its attempts a minute. Over twice its calls, it is the caller; else look for layers that each retry.",
    immediateAction: {
      kind: "open_breaker",
      params: { retryPercent: 10, openSeconds: 30, halfOpenCalls: 3, retryAfterSeconds: 30 },
      approval: "required",
      why: "Calls that fail at once, and say when to come again, take the load away that keeps the server from getting well.",
    },
    engineeringControl:
      "Full jitter and an upper bound on each backoff, a retry budget of a tenth of the calls, retries in one layer alone, and a circuit breaker in front of what fails. A refusal says when to come again.",
    verificationTarget: [gate("retries", "<=", 0.1, { minCalls: 20 }), gate("availability", ">=", 0.95)],
    communication: told("on-call engineer of the server", 30),
    learning: learned([
      "What failed first, and how much of the load was retries at the worst?",
      "Which callers retry without jitter or without end, and in how many layers?",
      "Were calls repeated that are not idempotent, and what did that do?",
    ]),
  },
  {
    ...standard,
    id: "c6-silent-regression",
    title: "Answers got worse, although calls go well",
    trigger: [{ signals: ["quality", "silent_regression"] }],
    hypothesis:
      "A release of the server, its model, its prompts or its data answers worse, and no error says so. Smallest reproduction: the one case of the suite whose score fell most, run against the version of now and the last one that scored as usual, with the same input.",
    immediateAction: {
      kind: "degrade",
      params: { requireConfirmation: true, markAnswersUnverified: true },
      approval: "required",
      why: "Whoever acts on an answer is told to look twice, and nothing destructive follows from one unseen.",
    },
    engineeringControl:
      "An eval harness with a threshold for each suite, run before each release and on a schedule after it; a score below the threshold stops the release, and a baseline is kept for each version.",
    verificationTarget: [gate("quality", ">=", 0.9, { thresholdPermille: 800, minCalls: 5 })],
    communication: told("owner of the tool's quality", 240),
    learning: learned(
      [
        "Which cases fell, and what do they have in common?",
        "What was released, retrained or reloaded before they fell?",
        "Which threshold would have stopped it, and is it set now?",
      ],
      ["contract"],
    ),
  },
];
