import { describe, expect, test } from "vitest";
import type { Cause } from "../incidents/incident.ts";
import { missingRunbooks, type PickFacts, pickPlaybook, pickPolicy, pickRunbook } from "./pick.ts";
import { fallbackPlaybook, playbooks } from "./playbooks.ts";
import { defaultPolicy, type Playbook, type ResponsePolicy, type Runbook, type Trigger } from "./response.ts";

const cause = (signal: Cause["signal"], more: Partial<Cause> = {}): Cause => ({
  environment: "production",
  server: "billing",
  tool: "refund",
  signal,
  ...more,
});
const facts = (signal: Cause["signal"], more: Partial<PickFacts> = {}): PickFacts => ({
  cause: cause(signal),
  severity: "page",
  environmentsDiffer: false,
  ...more,
});
const playbook = (id: string, ...trigger: Trigger[]): Playbook => ({ ...fallbackPlaybook, id, trigger });

describe("of what is built in, is picked", () => {
  test.each<[string, PickFacts, string]>([
    ["calls fail", facts("availability"), "server-failing"],
    ["calls fail after a release", facts("availability", { minutesSinceRelease: 5 }), "server-failing"],
    [
      "calls fail, whatever else is known",
      facts("availability", {
        minutesSinceRelease: 5,
        minutesSinceChange: 5,
        volumeRatio: 9,
        environmentsDiffer: true,
      }),
      "server-failing",
    ],
    ["calls are slow", facts("latency"), "d2-dependency-latency"],
    ["calls are slow and many", facts("latency", { volumeRatio: 3 }), "d2-dependency-latency"],
    ["calls are slow after a release", facts("latency", { minutesSinceRelease: 5 }), "d2-dependency-latency"],
    [
      "calls are slow and many after a release",
      facts("latency", { minutesSinceRelease: 120, volumeRatio: 1.5 }),
      "d1-release-volume",
    ],
    [
      "calls are slow and many, long after a release",
      facts("latency", { minutesSinceRelease: 121, volumeRatio: 3 }),
      "d2-dependency-latency",
    ],
    ["payloads do not fit", facts("schema"), "c4-schema-breakage"],
    ["payloads do not fit after a release", facts("schema", { minutesSinceRelease: 0 }), "d3-schema-update"],
    ["payloads do not fit in one environment", facts("schema", { environmentsDiffer: true }), "d4-environment-parity"],
    ["a version breaks a schema", facts("schema_breakage", { minutesSinceRelease: 1 }), "c4-schema-breakage"],
    ["answers are old", facts("freshness"), "c1-stale-context"],
    ["answers are old, and there is more to do", facts("freshness", { volumeRatio: 2 }), "d6-backlog"],
    ["figures are not to be relied on", facts("data_degraded"), "d6-backlog"],
    ["answers are worse", facts("quality"), "c6-silent-regression"],
    ["answers got worse", facts("silent_regression"), "c6-silent-regression"],
    ["calls are refused", facts("auth_mismatch"), "c3-auth-mismatch"],
    ["calls are refused after a change", facts("auth_mismatch", { minutesSinceChange: 30 }), "d5-access-policy"],
    ["callers retry", facts("retry_storm"), "c5-retry-storm"],
    ["callers retry in one environment", facts("retry_storm", { environmentsDiffer: true }), "d4-environment-parity"],
    ["retries add up", facts("retry_amplification", { environmentsDiffer: true }), "c5-retry-storm"],
    ["a call ran that nobody allowed", facts("policy_drift", { minutesSinceChange: 1 }), "c2-policy-drift"],
  ])("where %s", (_, known, id) => expect(pickPlaybook([], known).id).toBe(id));
});

describe("one's own playbook", () => {
  const any = playbook("own-any", { signals: ["availability"] });
  const server = playbook("own-server", { signals: ["availability"], server: "bill*" });
  const tool = playbook("own-tool", { signals: ["availability"], server: "billing", tool: "refund" });

  test.each<[string, Playbook[], PickFacts, string]>([
    [
      "comes before built-in ones",
      [playbook("z", { signals: ["latency"] })],
      facts("latency", { minutesSinceRelease: 1, volumeRatio: 2 }),
      "z",
    ],
    ["comes before another that asks for less", [any, tool, server], facts("availability"), "own-tool"],
    [
      "is left out where it asks for something else",
      [any, server, tool],
      facts("availability", { cause: cause("availability", { server: "files" }) }),
      "own-any",
    ],
    [
      "comes by its id, where it asks for as much",
      [playbook("b", { signals: ["schema"] }), playbook("a", { signals: ["schema"] })],
      facts("schema"),
      "a",
    ],
    [
      "asks for nothing by a pattern for anything",
      [
        playbook("b", { signals: ["schema"], server: "*", tool: "*" }),
        playbook("c", { signals: ["schema"], severity: "page" }),
      ],
      facts("schema"),
      "c",
    ],
    [
      "is picked by any of its triggers",
      [playbook("own", { signals: ["latency"] }, { signals: ["schema"] })],
      facts("schema"),
      "own",
    ],
    [
      "of a severity is for that alone",
      [playbook("own", { signals: ["latency"], severity: "ticket" })],
      facts("latency"),
      "d2-dependency-latency",
    ],
    [
      "of a release is not for what nobody has released",
      [playbook("own", { signals: ["latency"], releasedWithinMinutes: 10_080 })],
      facts("latency"),
      "d2-dependency-latency",
    ],
    [
      "fits whatever stands for all servers by a pattern for all alone",
      [any, server],
      facts("availability", { cause: cause("availability", { server: "*" }) }),
      "own-any",
    ],
  ])("%s", (_, own, known, id) => expect(pickPlaybook(own, known).id).toBe(id));

  test("replaces the built-in one of its id, also where it asks for something else", () => {
    const own = playbook("d2-dependency-latency", { signals: ["latency"], server: "files" });
    expect(pickPlaybook([own], facts("latency", { cause: cause("latency", { server: "files" }) }))).toBe(own);
    expect(pickPlaybook([own], facts("latency"))).toBe(fallbackPlaybook); // none is left for it
  });

  test("may stand in one list with built-in ones", () =>
    expect(pickPlaybook([...playbooks, any], facts("availability"))).toBe(any));
});

describe("the policy", () => {
  const policy = (name: string, more: Partial<ResponsePolicy>): ResponsePolicy => ({ ...defaultPolicy, name, ...more });
  const all = [
    policy("a-all", {}),
    policy("b-production", { environment: "production" }),
    policy("c-pattern", { server: "bill*" }),
    policy("d-server", { server: "billing" }),
    policy("e-both", { server: "billing", environment: "production" }),
    policy("f-short", { server: "b*" }),
  ];
  test.each([
    ["billing", "production", "e-both"],
    ["billing", "staging", "d-server"],
    ["bills", "production", "c-pattern"],
    ["books", "production", "f-short"],
    ["files", "production", "b-production"],
    ["files", "staging", "a-all"],
    ["*", "staging", "a-all"],
  ])("of %s in %s is %s", (server, environment, name) =>
    expect(pickPolicy(all.toReversed(), { server, environment }).name).toBe(name),
  );
  test("is the default where there is none", () =>
    expect(pickPolicy([policy("x", { server: "files" })], { server: "billing", environment: "" })).toBe(defaultPolicy));
});

describe("the runbook", () => {
  const runbook = (name: string, more: Partial<Runbook>): Runbook => ({
    kind: "Runbook",
    name,
    server: "billing",
    versions: "*",
    steps: ["go back"],
    ...more,
  });
  const all = [
    runbook("a-any-server", { server: "*", versions: "2.1.3" }),
    runbook("b-all", {}),
    runbook("c-two", { versions: ">=2.0.0 <3" }),
    runbook("d-two-one", { versions: "2.1.x" }),
    runbook("e-two-again", { versions: "2.x" }),
    runbook("f-production", { versions: ">=2.2.0", environment: "production" }),
  ];
  const place = { environment: "staging", server: "billing" };
  test.each<[string | undefined, string]>([
    ["2.1.3", "d-two-one"],
    ["2.4.0", "c-two"],
    ["1.0.0", "b-all"],
    ["7f3e1aa", "b-all"],
    [undefined, "b-all"],
  ])("of billing %s is %s", (version, name) =>
    expect(pickRunbook(all.toReversed(), { ...place, ...(version !== undefined && { version }) })?.name).toBe(name),
  );
  test("of the environment comes before one of all environments", () =>
    expect(pickRunbook(all, { ...place, environment: "production", version: "2.4.0" })?.name).toBe("f-production"));
  test("of another server is none", () =>
    expect(pickRunbook(all, { ...place, server: "files", version: "2.4.0" })).toBeUndefined());

  test("is missing for versions that none is about, and for nothing without a version", () =>
    expect(
      missingRunbooks(all, [
        { ...place, version: "9.0.0" },
        { ...place, server: "files", version: "2.1.3" },
        { ...place, server: "files", version: "2.1.4" },
        { ...place, server: "files" },
      ]),
    ).toEqual([{ ...place, server: "files", version: "2.1.4" }]));
});
