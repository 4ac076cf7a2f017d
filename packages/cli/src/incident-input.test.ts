import { describe, expect, test } from "vitest";
import { paramsOf, paramText, parseActionKind, parseEta, parsePair } from "./incident-input.ts";
import { fromNow, spanText } from "./incident-time.ts";
import { parseItem, parseOwner, parseSet } from "./postmortem-input.ts";

const now = Date.parse("2026-01-31T12:00:00Z");

describe("an ETA", () => {
  test.each([
    ["45m", "2026-01-31T12:45:00Z"],
    ["2h", "2026-01-31T14:00:00Z"],
    ["1d", "2026-02-01T12:00:00Z"],
    ["2026-01-31T12:30Z", "2026-01-31T12:30:00Z"],
    ["2026-01-31T13:30:00+01:00", "2026-01-31T12:30:00Z"],
    ["2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z"], // whether it is over, the pipeline knows
  ])("%s", (text, at) => expect(parseEta(text, now)).toBe(Date.parse(at)));

  test.each(["", "soon", "0m", "45", "-5m", "1.5h", "2026-01-31", "2026-01-31T12:30", "2026-13-31T12:30Z", "12:30"])(
    "%j is none",
    (text) => expect(() => parseEta(text, now)).toThrow("is neither a span like 45m"),
  );
});

test("parameters are what they look like, and come back as they were", () => {
  const params = paramsOf(
    ["a=16", "b=true", "c=last-good", 'd="16"', "e=007", "f=1.10", "g=", "h=x=y", 'i="', "j=1e999"].map(parsePair),
  );
  expect(params).toEqual({
    ...{ a: 16, b: true, c: "last-good", d: "16", e: "007", f: "1.10", g: "", h: "x=y", i: '"', j: "1e999" },
  });
  const again = Object.entries(params).map(([name, value]) => parsePair(`${name}=${paramText(value)}`));
  expect(paramsOf(again)).toEqual(params);
  for (const text of ["", "a", "=a"]) expect(() => parsePair(text)).toThrow("is not name=value");
  expect(parseActionKind("open-breaker")).toBe("open_breaker");
  expect(() => parseActionKind("reboot")).toThrow('"reboot" is none of cap_concurrency, ');
});

describe("an action item", () => {
  test.each([
    ["Rotate logs;type=prevent", { title: "Rotate logs", type: "prevent" }],
    ["Rotate logs; owner=Ann Lee ;type=detect", { title: "Rotate logs", type: "detect", owner: "Ann Lee" }],
    ["Rotate; soon;type=process;due=2026-02-28", { title: "Rotate; soon", type: "process", dueAt: 1_772_236_800_000 }],
    ["type=x;type=prevent", undefined],
    ["set type=prevent;type=mitigate", { title: "set type=prevent", type: "mitigate" }],
    ["Rotate logs", undefined],
    ["Rotate logs;type=other", undefined],
    [";type=prevent", undefined],
    ["Rotate;type=prevent;due=tomorrow", undefined],
  ])("%s", (text, item) => {
    if (item === undefined) expect(() => parseItem(text)).toThrow();
    else expect(parseItem(text)).toEqual({ op: "add", ...item });
  });
});

test("what is set, and whose an item is", () => {
  expect(parseSet("rootCause=a=b")).toEqual({ field: "rootCause", text: "a=b" });
  expect(parseSet("title=")).toEqual({ field: "title", text: "" });
  expect(() => parseSet("impact=none")).toThrow('"impact" is none of title, summary, ');
  expect(parseOwner("item_2_1=Ann")).toEqual({ op: "change", id: "item_2_1", owner: "Ann" });
  expect(parseOwner("item_2_1=")).toEqual({ op: "change", id: "item_2_1", owner: null });
});

test.each([
  [0, "0 s"],
  [-5, "0 s"],
  [59_999, "59 s"],
  [27 * 60_000 + 1, "27 min"],
  [185 * 60_000, "3 h 5 min"],
  [26 * 3_600_000, "1 d 2 h"],
  [48 * 3_600_000, "2 d"],
])("%d ms are %s", (ms, text) => {
  expect(spanText(ms)).toBe(text);
  if (ms > 0) expect([fromNow(now - ms, now), fromNow(now + ms, now)]).toEqual([`${text} ago`, `in ${text}`]);
});
