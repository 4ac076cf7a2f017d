import { advance } from "@tooltrail/core/incidents/advance";
import { runCommand } from "@tooltrail/core/incidents/command";
import type { Alert, Incident } from "@tooltrail/core/incidents/incident";
import { measure } from "@tooltrail/core/incidents/measure";
import { listIncidents, readEvents } from "@tooltrail/core/incidents/store";
import { triage } from "@tooltrail/core/incidents/triage";
import type { Target } from "@tooltrail/core/response/response";
import { describe, expect, test } from "vitest";
import { aWatched, msOf, noon } from "../support/burning.ts";

const window = { from: msOf(noon), to: msOf(noon + 5) };
const target = (more: Partial<Target>): Target => ({
  sli: "availability",
  op: ">=",
  value: 0.99,
  windowMinutes: 5,
  minCalls: 10,
  ...more,
});

async function anIncident(watched: ReturnType<typeof aWatched>, more: Partial<Alert> = {}): Promise<Incident> {
  const cause = { environment: "", server: "files", tool: "", signal: "availability" } as const;
  const alert: Alert = {
    ...{ cause, state: "firing", severity: "page", source: "availability:files", rule: "page-1h", text: "" },
    ...{ startedAt: msOf(noon), at: msOf(noon) },
    ...more,
  };
  const ports = { projections: watched.projections, tickets: [], changedAt: async () => undefined };
  await triage(ports, [alert], msOf(noon));
  const [incident] = await listIncidents(watched.projections, { limit: 1 });
  if (incident === undefined) throw new Error("No incident has opened.");
  return incident;
}

const asked = (incident: Incident, ...verificationTarget: Target[]): Incident => ({
  ...incident,
  playbook: { ...incident.playbook, verificationTarget },
});

describe("a gate", () => {
  test.each<[string, Partial<Target>, string, number | undefined]>([
    ["holds", { value: 0.9 }, "pass", 0.9],
    ["does not hold", {}, "fail", 0.9],
    ["has too few calls to tell", { minCalls: 41 }, "inconclusive", 0.9],
    ["measures what nobody has", { sli: "quality", thresholdPermille: 800 }, "inconclusive", undefined],
    ["is about retries", { sli: "retries", op: "<=", value: 0 }, "pass", 0],
    ["is about the budget of the objective that has alerted", { sli: "burn", op: "<", value: 6 }, "fail", 20],
  ])("that %s", async (_, more, result, measured) => {
    const watched = aWatched();
    await watched.calls("files", noon + 1, 36);
    await watched.calls("files", noon + 4, 4, "timeout");
    await watched.calls("files", noon + 5, 100, "timeout"); // of the next window
    await watched.calls("mail", noon + 1, 100, "timeout"); // of another server
    const incident = asked(await anIncident(watched), target(more));
    const checked = await measure(watched.projections, incident, window, msOf(noon + 7));
    expect(checked).toMatchObject({ result, measured: [measured === undefined ? { calls: 0 } : { measured }] });
  });

  test("of a latency objective's budget looks at what is slow, not at what fails", async () => {
    const watched = aWatched();
    await watched.calls("files", noon + 1, 40, "ok", { durationUs: 20_000_000 });
    const cause = { environment: "", server: "files", tool: "", signal: "latency" } as const;
    const incident = await anIncident(watched, { cause, source: "latency:files" });
    const checked = await measure(
      watched.projections,
      asked(incident, target({ sli: "burn", op: "<", value: 6 })),
      window,
      msOf(noon + 7),
    );
    expect(checked).toMatchObject({ result: "fail", measured: [{ measured: 20, calls: 40 }] });
  });

  test("is checked once its window is over and its calls have come, of those that were missed the last, and not right after a start", async () => {
    const watched = aWatched();
    const { id } = await anIncident(watched);
    for (const type of ["acknowledge", "mitigate"] as const)
      await runCommand(watched.projections, { incident: id, command: { type }, nowMs: msOf(noon) });
    const windows = async () =>
      (await readEvents(watched.projections, id)).flatMap((event) =>
        event.type === "gate.checked" ? [[event.from / 60_000 - noon, event.to / 60_000 - noon]] : [],
      );
    const look = (minute: number, startedAt = 0) =>
      advance(watched.projections, { nowMs: msOf(minute), startedAtMs: startedAt }, () => true);
    await look(noon + 6);
    expect(await windows()).toEqual([]);
    await look(noon + 7);
    await look(noon + 7);
    expect(await windows()).toEqual([[0, 5]]);
    await look(noon + 40, msOf(noon + 39));
    expect(await windows()).toEqual([[0, 5]]);
    await look(noon + 41, msOf(noon + 39));
    expect(await windows()).toEqual([
      [0, 5],
      [30, 35],
    ]);
  });
});
