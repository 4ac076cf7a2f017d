import { gate, learned, standard, told } from "./playbook-parts.ts";
import { failureModePlaybooks } from "./playbooks-c.ts";
import { scenarioPlaybooks } from "./playbooks-d.ts";
import type { Playbook } from "./response.ts";

/** For what fails, whatever the reason: also where nothing else fits. */
export const fallbackPlaybook: Playbook = {
  ...standard,
  id: "server-failing",
  title: "Calls fail by the server's own fault",
  trigger: [{ signals: ["availability"] }],
  hypothesis:
    "One tool, one version or one environment fails, and the rest does not. Smallest reproduction: the failing tool's last recorded shape of arguments, called once on the version of now. If it fails, take away what it stands on, piece by piece; if it does not, repeat it with the load of the last ten minutes.",
  immediateAction: {
    kind: "open_breaker",
    params: { failurePercent: 50, minCalls: 10, openSeconds: 30, halfOpenCalls: 3 },
    approval: "required",
    why: "Callers get a clear refusal at once instead of a failure after a wait, and what still works keeps working.",
  },
  engineeringControl:
    "Releases go out in steps behind a gate on this very objective, with a runbook for the way back; each call to something else has a timeout, a bounded retry and a fallback.",
  verificationTarget: [gate("availability", ">=", 0.99)],
  communication: told("on-call engineer of the server"),
  learning: learned(
    [
      "What changed before it began: a release, a setting, a dependency, the load?",
      "What would have told earlier, or kept users from noticing?",
      "Was the way back known and quick, and is it in the runbook now?",
    ],
    ["contract"],
  ),
};

/** What there is without anybody writing one. Of every signal there is one that asks for nothing else. */
export const playbooks: readonly Playbook[] = [...scenarioPlaybooks, ...failureModePlaybooks, fallbackPlaybook];
