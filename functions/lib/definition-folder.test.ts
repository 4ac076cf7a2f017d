import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readResponse } from "@tooltrail/core/response/store";
import { readStored } from "@tooltrail/core/slo/definitions";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { memoryProjections } from "../../test/support/followed.ts";
import { createResponseFolder, createSloFolder, type DefinitionFolder } from "./definition-folder.ts";

const runbook = (name: string): string =>
  `kind: Runbook\nname: ${name}\nserver: billing\nversions: "*"\nsteps: [go back]\n`;
const slo = (name: string): string => `apiVersion: openslo/v1
kind: SLO
metadata: {name: ${name}}
spec:
  indicator: {spec: {thresholdMetric: {metricSource: {type: tooltrail, spec: {sli: availability, server: billing}}}}}
  budgetingMethod: Occurrences
  timeWindow: [{duration: 30d, isRolling: true}]
  objectives: [{target: 0.99}]
`;

const folders = [
  {
    what: "SLOs",
    create: createSloFolder,
    text: slo,
    actions: ["slo.apply", "slo.remove"],
    kept: (name: string) => name,
    names: async (projections: ReturnType<typeof memoryProjections>) =>
      (await readStored(projections)).map(({ name }) => name),
  },
  {
    what: "response documents",
    create: createResponseFolder,
    text: runbook,
    actions: ["response.apply", "response.remove"],
    kept: (name: string) => `Runbook/${name}`,
    names: async (projections: ReturnType<typeof memoryProjections>) =>
      (await readResponse(projections)).runbooks.map(({ name }) => name),
  },
] as const;

describe.each(folders)("a folder of $what", ({ create, text, actions, kept, names }) => {
  let place: string;
  let folder: DefinitionFolder | undefined;
  let projections: ReturnType<typeof memoryProjections>;
  let audited: unknown[];
  let faults: readonly string[];
  let errors: unknown[];
  let isOnRecord = true;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    place = mkdtempSync(join(tmpdir(), "tooltrail-folder-"));
    projections = memoryProjections();
    [audited, faults, errors, isOnRecord] = [[], [], [], true];
  });
  afterEach(async () => {
    await folder?.stop();
    vi.useRealTimers();
    rmSync(place, { recursive: true, force: true });
  });

  const watch = async (at = place) => {
    folder = create({
      folder: at,
      projections,
      async audit(_, action, params) {
        if (!isOnRecord) throw new Error("the ledger is full");
        audited.push([action, params]);
        return { by: "p_ada", record: `rec_${audited.length}` };
      },
      caller: { issuer: "os", subject: "os:ada@workstation", method: "token", verified: true },
      now: () => 7,
      onFaults: (some) => {
        faults = some;
      },
      onError: (error) => void errors.push(error),
    });
    await folder.start();
  };
  const put = (name: string, content: string): void => writeFileSync(join(place, name), content);
  const apply = (name: string, file: string) => [
    actions[0],
    { name: kept(name), sha256: expect.stringMatching(/^[0-9a-f]{64}$/), file: join(place, file) },
  ];

  test("is what is defined: what comes is applied, what goes is removed, and both are on record first", async () => {
    put("a.yaml", text("one"));
    put("b.yml", text("two"));
    put(".c.yaml", text("hidden"));
    put("d.txt", text("other"));
    await watch();
    expect(await names(projections)).toEqual(["one", "two"]);
    expect(audited).toEqual([apply("one", "a.yaml"), apply("two", "b.yml")]);

    unlinkSync(join(place, "b.yml"));
    put("e.yaml", text("three"));
    await vi.advanceTimersByTimeAsync(5_000);
    await vi.waitFor(async () => expect(await names(projections)).toEqual(["one", "three"]));
    expect(audited.slice(2)).toEqual([apply("three", "e.yaml"), [actions[1], { name: kept("two") }]]);
    expect(errors).toEqual([]);
  });

  test("that has a fault says so, and removes nothing", async () => {
    put("a.yaml", text("one"));
    await watch();
    await folder?.stop();
    put("a.yaml", `${text("one")}---\nkind: [`);
    put("b.yaml", text("two"));
    await watch();
    expect(faults).toEqual([expect.stringMatching(/a\.yaml:\d+:\d+ ./)]);
    expect(await names(projections)).toEqual(["one", "two"]);
  });

  test("changes nothing where that cannot be put on record", async () => {
    put("a.yaml", text("one"));
    isOnRecord = false;
    await watch();
    expect(errors).toHaveLength(1);
    expect(await names(projections)).toEqual([]);
    isOnRecord = true;
    await vi.advanceTimersByTimeAsync(5_000);
    await vi.waitFor(async () => expect(await names(projections)).toEqual(["one"]));
  });

  test("that is not there defines nothing, and removes nothing", async () => {
    put("a.yaml", text("one"));
    await watch();
    await folder?.stop();
    await watch(join(place, "nowhere"));
    expect(await names(projections)).toEqual(["one"]);
    expect([faults, errors]).toEqual([[], []]);
  });
});
