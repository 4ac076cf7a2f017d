import { describe, expect, test } from "vitest";
import { parseSeries } from "./slo-series.ts";

const minutes = (text: string): unknown => {
  const read = parseSeries(text, "minutes.csv");
  return "faults" in read ? read.faults : read.minutes.map(({ minute, total, bad }) => [minute, total, bad]);
};

describe("rows are read", () => {
  const at = Date.parse("2026-01-31T12:05:00Z") / 60_000;
  test.each([
    ["with a header", "minute,total,bad\n7,10,1\n8,10,2\n"],
    ["without one", "7,10,1\n8,10,2\n"],
    ["with another one's spaces and capitals", "Minute, Total, Bad\n7,10,1\n8,10,2\n"],
    ["in any order", "8,10,2\n7,10,1\n"],
    ["with CRLF, spaces and blank lines at the end", "7, 10, 1\r\n 8,10,2 \r\n\r\n \r\n"],
    ["without a line feed at the end", "7,10,1\n8,10,2"],
    ["after a byte order mark", "\uFEFFminute,total,bad\n7,10,1\n8,10,2\n"],
    ["with leading zeros", "07,010,01\n8,10,2\n"],
  ])("%s", (_, text) =>
    expect(minutes(text)).toEqual([
      [7, 10, 1],
      [8, 10, 2],
    ]),
  );

  test.each(["2026-01-31T12:05Z", "2026-01-31T12:05:00Z", "2026-01-31T12:05:00.000Z", "2026-01-31T13:05:00+01:00"])(
    "with the time %s",
    (time) =>
      expect(parseSeries(`${time},3,0`, "")).toEqual({ form: "time", minutes: [{ minute: at, total: 3, bad: 0 }] }),
  );

  test("and what lies between them is nothing", () =>
    expect(parseSeries("0,1,0\n599999,1,1", "")).toEqual({
      form: "number",
      minutes: [
        { minute: 0, total: 1, bad: 0 },
        { minute: 599_999, total: 1, bad: 1 },
      ],
    }));
});

const example = "Write it like 2026-01-31T12:05:00Z.";
const whole = "Write a whole number from 0 to 9007199254740991.";

test.each([
  ["", "1: row: There is none. Write minute,total,bad, a row for each minute."],
  ["\n\n", "1: row: There is none. Write minute,total,bad, a row for each minute."],
  ["minute,total,bad\n", "1: row: There is none. Write minute,total,bad, a row for each minute."],
  ["1,2", "1: row: has 2 fields. Write minute,total,bad."],
  ["1,2,1,", "1: row: has over 3 fields. Write minute,total,bad."],
  ["1;2;1", "1: row: has 1 fields. Write minute,total,bad."],
  ["1,2,1\n\n2,2,1", "2: row: is empty, and rows follow. Leave it out."],
  ["time,2,1\n1,2,1", `1: minute: "time" is neither a time nor a number. ${example}`],
  ["1,2,1\nminute,2,1", `2: minute: "minute" is neither a time nor a number. ${example}`],
  ['"1",2,1', String.raw`1: minute: "\"1\"" is neither a time nor a number. ` + example],
  ["31.1.2026 12:05,2,1", `1: minute: "31.1.2026 12:05" is neither a time nor a number. ${example}`],
  ["2026-02-30T12:05Z,2,1", `1: minute: "2026-02-30T12:05Z" is neither a time nor a number. ${example}`],
  ["2026-13-01T12:05Z,2,1", `1: minute: "2026-13-01T12:05Z" is neither a time nor a number. ${example}`],
  ["2026-01-31T24:00Z,2,1", `1: minute: "2026-01-31T24:00Z" is neither a time nor a number. ${example}`],
  [
    "2026-01-31T12:05,2,1",
    '1: minute: "2026-01-31T12:05" has no time zone. Write 2026-01-31T12:05:00Z, if that is UTC.',
  ],
  [
    "2026-01-31T12:05:30Z,2,1",
    '1: minute: "2026-01-31T12:05:30Z" is within a minute. Write its beginning, 2026-01-31T12:05:00Z.',
  ],
  [
    "2026-01-31T12:05:00.0001+01:00,2,1",
    '1: minute: "2026-01-31T12:05:00.0001+01:00" is within a minute. Write its beginning, 2026-01-31T12:05:00+01:00.',
  ],
  ["1969-12-31T23:59Z,2,1", '1: minute: "1969-12-31T23:59Z" is not between 1970 and 3870. Write another.'],
  ["-1,2,1", '1: minute: "-1" is no minute from 0 to 999999999. Of seconds since the epoch, write a 60th.'],
  [
    "1769861100,2,1",
    '1: minute: "1769861100" is no minute from 0 to 999999999. Of seconds since the epoch, write a 60th.',
  ],
  ["1.5,2,1", `1: minute: "1.5" is neither a time nor a number. ${example}`],
  [
    "1,2,1\n1970-01-01T00:02Z,2,1",
    "2: minute: 1970-01-01T00:02:00Z is a time, and line 1 has a number. Write all of them alike.",
  ],
  ["1970-01-01T00:02Z,2,1\n1,2,1", "2: minute: 1 is a number, and line 1 has a time. Write all of them alike."],
  ["minute,total,bad\n5,1,0\n4,1,0\n5,1,0", "4: minute: 5 is in line 2 already. Keep one of the two."],
  [
    "1970-01-01T00:02Z,2,1\n1970-01-01T01:02+01:00,2,1",
    "2: minute: 1970-01-01T00:02:00Z is in line 1 already. Keep one of the two.",
  ],
  [
    "600000,1,0\n0,1,0\n9,1,2",
    "2: minute: 0 is too far from 600000 in line 1. Replay at most 600000 minutes, in parts.",
  ],
  ["1,-2,0", `1: total: "-2" is no number of calls. ${whole}`],
  ["1,2.0,0", `1: total: "2.0" is no number of calls. ${whole}`],
  ["1,,0", `1: total: "" is no number of calls. ${whole}`],
  ["1,9007199254740992,0", `1: total: "9007199254740992" is no number of calls. ${whole}`],
  ["1,2,1e0", `1: bad: "1e0" is no number of calls. ${whole}`],
  ["1,2,3", "1: bad: 3 is more than the total, 2. Write how many of the total are bad."],
  ["1,9007199254740991,0\n2,1,0", "2: total: With the rows above, over 9007199254740991 calls. Replay it in parts."],
])("%j is refused", (text, said) => expect(minutes(text)).toEqual([`minutes.csv:${said}`]));

test("all that is wrong is told, as far as a person would read", () => {
  expect(minutes("x,-1,y\n2,1,3")).toEqual([
    `minutes.csv:1: minute: "x" is neither a time nor a number. ${example}`,
    `minutes.csv:1: total: "-1" is no number of calls. ${whole}`,
    `minutes.csv:1: bad: "y" is no number of calls. ${whole}`,
    "minutes.csv:2: bad: 3 is more than the total, 1. Write how many of the total are bad.",
  ]);
  expect(minutes("x,1,1\n".repeat(1_000))).toHaveLength(100);
});

test("a file is at most 64 MiB", () =>
  expect(minutes(`1,2,1\n${"\n".repeat(64 * 1024 * 1024)}`)).toEqual([
    "minutes.csv:1: file: has over 64 MiB. Replay it in parts.",
  ]));
