import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { adfFault, textOf } from "../../../../test/support/destinations/jira.ts";
import { type AdfNode, adfOf, cutAdf, sizeOf, textLengthOf } from "./adf.ts";

/** A document as short as it can be read: `type[…]` for nodes, texts with their marks after a caret. */
function shortly({ type, attrs, text, marks = [], content = [] }: AdfNode): string {
  if (text !== undefined)
    return `${JSON.stringify(text)}${marks.map((mark) => `^${mark.type === "link" ? mark.attrs.href : mark.type}`).join("")}`;
  const inner = content.length === 0 ? "" : `[${content.map(shortly).join(" ")}]`;
  return `${type}${attrs === undefined ? "" : `(${Object.values(attrs).join()})`}${inner}`;
}
const made = (markdown: string): string => adfOf(markdown).content.map(shortly).join(" ");

test.each([
  ["a heading", "## What happened", 'heading(2)["What happened"]'],
  ["paragraphs", "one\ntwo\n\nthree", 'paragraph["one two"] paragraph["three"]'],
  ["bold", "a **b** c", 'paragraph["a " "b"^strong " c"]'],
  ["code", "run `npx tooltrail` now", 'paragraph["run " "npx tooltrail"^code " now"]'],
  ["code with a backtick", "`` a`b ``", 'paragraph["a`b"^code]'],
  ["code that is bold, which there is not", "**a `b`**", 'paragraph["a "^strong "b"^code]'],
  ["a link", "[the log](https://a.example/x)", 'paragraph["the log"^https://a.example/x]'],
  ["an address", "<https://a.example>", 'paragraph["https://a.example"^https://a.example]'],
  ["a bold link with code", "**[`x`](https://a.example)**", 'paragraph["x"^https://a.example^code]'],
  ["a link to nowhere", "[x](javascript:alert)", 'paragraph["x"]'],
  ["a link without a text", "[](https://a.example)", 'paragraph["https://a.example"^https://a.example]'],
  ["what was escaped", "\\*\\*a\\*\\* &lt;b&gt; &#124;", 'paragraph["**a** <b> |"]'],
  ["a list", "- a\n- b **c**", 'bulletList[listItem[paragraph["a"]] listItem[paragraph["b " "c"^strong]]]'],
  ["a list with numbers", "3. a\n4. b", 'orderedList(3)[listItem[paragraph["a"]] listItem[paragraph["b"]]]'],
  [
    "a list in a list",
    "- a\n  - b\n- c",
    'bulletList[listItem[paragraph["a"] bulletList[listItem[paragraph["b"]]]] listItem[paragraph["c"]]]',
  ],
  ["an item of several lines", "- a\n  b\n\n  c", 'bulletList[listItem[paragraph["a b"] paragraph["c"]]]'],
  ["code in an item", "1. a\n   ```sh\n   ls\n   ```", 'orderedList(1)[listItem[paragraph["a"] codeBlock(sh)["ls"]]]'],
  ["a heading in an item", "- # a", 'bulletList[listItem[paragraph["a"]]]'],
  ["an empty item", "-  \n- b", 'bulletList[listItem[paragraph] listItem[paragraph["b"]]]'],
  ["a code block", "```ts\n**a**\n\n- b\n```", 'codeBlock(ts)["**a**\\n\\n- b"]'],
  ["a code block without an end", "```\na", 'codeBlock["a"]'],
  ["a fence in a fence", "````\n```\n````", 'codeBlock["```"]'],
  ["a line", "a\n\n---\n\nb", 'paragraph["a"] rule paragraph["b"]'],
  [
    "a table",
    "| a | b |\n| --- | --: |\n| `x` | y \\| z |\n| only |",
    'table[tableRow[tableHeader[paragraph["a"]] tableHeader[paragraph["b"]]] tableRow[tableCell[paragraph["x"^code]] tableCell[paragraph["y | z"]]] tableRow[tableCell[paragraph["only"]] tableCell[paragraph]]]',
  ],
  [
    "a cell of two lines",
    "| a |\n|---|\n| b<br>c |",
    'table[tableRow[tableHeader[paragraph["a"]]] tableRow[tableCell[paragraph["b" hardBreak "c"]]]]',
  ],
  ["a paragraph right before a list", "a:\n- b", 'paragraph["a:"] bulletList[listItem[paragraph["b"]]]'],
  ["what it does not know", "> a _b_", 'paragraph["> a _b_"]'],
  ["nothing", " \n", ""],
])("%s is what it is in Jira", (_, markdown, expected) => {
  expect(made(markdown)).toBe(expected);
  expect(adfFault(adfOf(markdown), "doc")).toBeUndefined();
});

test("whatever a postmortem holds, Jira takes it", () => {
  const pieces = [
    "- ",
    "1. ",
    "  ",
    "\n",
    "\n\n",
    "```",
    "# ",
    "| a | b |\n",
    "|---|\n",
    "**",
    "`",
    "[",
    "](",
    ")",
    "<",
    ">",
    "\\",
    "https://a.example",
    "---",
    "&#0;",
    "&lt;",
    "a",
    "😀",
    "\t",
  ];
  const markdown = fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ unit: "grapheme" })), { maxLength: 60 });
  fc.assert(
    fc.property(markdown, (parts) => {
      expect(adfFault(adfOf(parts.join("")), "doc")).toBeUndefined();
    }),
    { numRuns: 2_000 },
  );
});

test.each([["["], ["**"], ["`"], ["``a"], ["[a]("], ["- "], ["|"], ["\\"], ["<https:"], ["&#1"], [" "]])(
  "a text of nothing but %j takes no time",
  (piece) => {
    const begun = performance.now();
    adfOf(piece.repeat(30_000));
    adfOf(`# ${piece.repeat(30_000)}`);
    adfOf(`|${piece.repeat(30_000)}\n|${piece.repeat(30_000)}`);
    expect(performance.now() - begun).toBeLessThan(3_000);
  },
);

describe("a document that is too long", () => {
  const long = adfOf(Array.from({ length: 500 }, (_, i) => `paragraph ${i} ${"x".repeat(100)}`).join("\n\n"));

  test.each([
    ["as text", textLengthOf],
    ["as JSON", sizeOf],
  ])("is cut after a block, and says so, measured %s", (_, measure) => {
    const short = cutAdf(long, measure, 10_000, "the rest is elsewhere");
    expect(measure(short)).toBeLessThanOrEqual(10_000);
    expect(measure(short)).toBeGreaterThan(9_500);
    expect(textOf(short)).toMatch(/^paragraph 0 x+\n.*the rest is elsewhere$/s);
  });

  test("is left whole where it fits", () => expect(cutAdf(long, textLengthOf, 1_000_000, "-")).toBe(long));

  test("is its note alone, where its first block does not fit", () => {
    expect(textOf(cutAdf(adfOf("x".repeat(50)), textLengthOf, 40, "elsewhere"))).toBe("elsewhere");
  });
});
