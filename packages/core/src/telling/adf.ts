/*
 * Atlassian's document format, made of the part of Markdown that postmortems are written in: headings, paragraphs, lists, tables, code blocks, rules; bold, code and links within them.
 * https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/
 *
 * Everything else stays text, as it is. Whatever is given, the document is one that Jira takes: no empty text, no mark beside code but a link, no address but http, https and mailto, nothing within a
 * list that may not be there.
 */

export interface AdfDocument {
  readonly type: "doc";
  readonly version: 1;
  readonly content: readonly AdfNode[];
}
export interface AdfNode {
  readonly type: string;
  readonly attrs?: { readonly [name: string]: string | number };
  readonly content?: readonly AdfNode[];
  readonly text?: string;
  readonly marks?: readonly AdfMark[];
}
export type AdfMark =
  | { readonly type: "strong" | "code" }
  | { readonly type: "link"; readonly attrs: { readonly href: string } };

/** Lists within lists, further down than which it is text. */
const maxDepth = 8;

export const adfOf = (markdown: string): AdfDocument => ({
  type: "doc",
  version: 1,
  content: blocks(markdown.split(/\r?\n/), 0),
});

/** How long it is as text: what its nodes hold, and a line feed for each that holds text. */
export const textLengthOf = ({ content }: Pick<AdfNode, "content">): number =>
  (content ?? []).reduce((sum, node) => sum + (node.text?.length ?? textLengthOf(node) + 1), 0);

/** How long it is as it is sent. */
export const sizeOf = (document: AdfDocument): number => JSON.stringify(document).length;

/** As many of its blocks as fit, with a note in the place of the others; all of them where they do. */
export function cutAdf(
  document: AdfDocument,
  measure: (document: AdfDocument) => number,
  max: number,
  note: string,
): AdfDocument {
  if (measure(document) <= max) return document;
  const noted = (count: number): AdfDocument => ({
    ...document,
    content: [...document.content.slice(0, count), paragraph([{ type: "text", text: note }])],
  });
  let count = document.content.length - 1;
  while (count > 0 && measure(noted(count)) > max) count -= 1;
  return noted(count);
}

const fence = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$/;
const heading = /^ {0,3}(#{1,6})\s+(.*)$/;
const rule = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const delimiters = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;
const item = /^(\s*)([-*+]|\d{1,9}[.)])(\s+)(.*)$/;

/** A part of the lines from `at` on, and where the next begins. */
interface Block {
  readonly node: AdfNode;
  readonly next: number;
}

function blocks(lines: readonly string[], depth: number): AdfNode[] {
  const nodes: AdfNode[] = [];
  for (let at = 0; at < lines.length; ) {
    if (lines[at]?.trim() === "") {
      at += 1;
      continue;
    }
    const { node, next } = blockAt(lines, at, depth);
    nodes.push(node);
    at = next;
  }
  return nodes;
}

function blockAt(lines: readonly string[], at: number, depth: number): Block {
  return (
    codeAt(lines, at) ??
    headingAt(lines, at) ??
    tableAt(lines, at) ??
    (depth < maxDepth ? listAt(lines, at, depth) : undefined) ??
    paragraphAt(lines, at)
  );
}

function codeAt(lines: readonly string[], at: number): Block | undefined {
  const [, marker, language] = fence.exec(lines[at] ?? "") ?? [];
  if (marker === undefined) return undefined;
  const isEnd = (line: string): boolean => line.trim().startsWith(marker) && /^(`+|~+)$/.test(line.trim());
  const length = lines.slice(at + 1).findIndex(isEnd);
  // One that is not closed goes on to the end.
  const end = length === -1 ? lines.length : at + 1 + length;
  const text = lines.slice(at + 1, end).join("\n");
  const node = { type: "codeBlock", ...(language && { attrs: { language } }), content: textNodes(text, []) };
  return { node, next: end + 1 };
}

function headingAt(lines: readonly string[], at: number): Block | undefined {
  const line = lines[at] ?? "";
  if (rule.test(line)) return { node: { type: "rule" }, next: at + 1 };
  const [, level, text = ""] = heading.exec(line) ?? [];
  if (level === undefined) return undefined;
  return { node: { type: "heading", attrs: { level: level.length }, content: inline(text.trim()) }, next: at + 1 };
}

function tableAt(lines: readonly string[], at: number): Block | undefined {
  const delimiter = lines[at + 1];
  if (!isRow(lines[at]) || delimiter === undefined || !delimiter.includes("-") || !delimiters.test(delimiter))
    return undefined;
  let next = at + 2;
  while (isRow(lines[next])) next += 1;
  const head = cellsOf(lines[at] ?? "");
  const rows = lines.slice(at + 2, next).map(cellsOf);
  // Rows of one table are equally long.
  const row = (type: string, cells: readonly string[]): AdfNode => ({
    type: "tableRow",
    content: head.map((_, column) => ({ type, content: [paragraph(inline(cells[column] ?? ""))] })),
  });
  const content = [row("tableHeader", head), ...rows.map((cells) => row("tableCell", cells))];
  return { node: { type: "table", content }, next };
}

const isRow = (line: string | undefined): boolean => line?.trim().startsWith("|") ?? false;

const cellsOf = (line: string): string[] =>
  line
    .trim()
    .replace(/^\|/, "")
    .replace(/(?<!\\)\|$/, "")
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll("\\|", "|"));

/** An item is its line, and all that is indented more than its marker, as a document of its own. */
function listAt(lines: readonly string[], at: number, depth: number): Block | undefined {
  const first = itemOf(lines[at]);
  if (first === undefined) return undefined;
  const items: AdfNode[] = [];
  let next = at;
  for (;;) {
    const here = itemOf(lines[next]);
    if (here === undefined || here.isOrdered !== first.isOrdered) break;
    const body = [here.text];
    for (next += 1; next < lines.length; next += 1) {
      const line = lines[next] ?? "";
      if (line.trim() !== "" && indentOf(line) <= here.indent) break;
      body.push(line.slice(Math.min(indentOf(line), here.within)));
    }
    items.push({ type: "listItem", content: itemContent(blocks(body, depth + 1)) });
  }
  const node = first.isOrdered
    ? { type: "orderedList", attrs: { order: first.order }, content: items }
    : { type: "bulletList", content: items };
  return { node, next };
}

const indentOf = (line: string): number => line.length - line.trimStart().length;

function itemOf(line: string | undefined) {
  if (line === undefined || rule.test(line)) return undefined;
  const [, indent = "", marker, space = "", text = ""] = item.exec(line) ?? [];
  if (marker === undefined) return undefined;
  const isOrdered = /\d/.test(marker);
  return {
    indent: indent.length,
    within: indent.length + marker.length + space.length,
    isOrdered,
    order: isOrdered ? Number.parseInt(marker, 10) : 1,
    text,
  };
}

const allowedInItem = ["paragraph", "bulletList", "orderedList", "codeBlock"];

/** An item begins with a paragraph; what may not be in one is shown as text. */
function itemContent(nodes: readonly AdfNode[]): AdfNode[] {
  const content = nodes.map((node) =>
    allowedInItem.includes(node.type) ? node : paragraph(textNodes(textOf(node), [])),
  );
  return content[0]?.type === "paragraph" ? content : [paragraph([]), ...content];
}

const textOf = ({ text, content = [] }: AdfNode): string => text ?? content.map(textOf).join(" ");

function paragraphAt(lines: readonly string[], at: number): Block {
  let next = at + 1;
  while (next < lines.length && lines[next]?.trim() !== "" && !beginsBlock(lines, next)) next += 1;
  const text = lines
    .slice(at, next)
    .map((line) => line.trim())
    .join(" ");
  return { node: paragraph(inline(text)), next };
}

const beginsBlock = (lines: readonly string[], at: number): boolean =>
  [fence, heading, rule, item].some((begin) => begin.test(lines[at] ?? "")) || tableAt(lines, at) !== undefined;

const paragraph = (content: readonly AdfNode[]): AdfNode => ({ type: "paragraph", content });

/** Nothing is looked for further than so many characters, so that a text of nothing but brackets takes no time. */
const spans =
  /\\([!-/:-@[-`{-~])|&(lt|gt|amp|quot|#\d{1,6});|(?<!`)(`{1,8})(?!`)(.{1,4000}?)(?<!`)\3(?!`)|\*\*(.{1,4000}?)\*\*|\[((?:\\.|[^\]\\]){0,1000})\]\(([^()\s]{1,2000})\)|<((?:https?|mailto):[^<>\s]{1,2000})>|(<br ?\/?>)/gsu;

const strong: AdfMark = { type: "strong" };

function inline(text: string, marks: readonly AdfMark[] = []): AdfNode[] {
  const nodes: AdfNode[] = [];
  let from = 0;
  for (const match of text.matchAll(spans)) {
    const [all, escaped, entity, , code, bold, label, href, address, lineBreak] = match;
    nodes.push(...textNodes(text.slice(from, match.index), marks));
    from = match.index + all.length;
    if (escaped !== undefined) nodes.push(...textNodes(escaped, marks));
    else if (entity !== undefined) nodes.push(...textNodes(characterOf(entity), marks));
    // Beside code no mark may be but a link.
    else if (code !== undefined) nodes.push(...textNodes(unpadded(code), [...marks.filter(isLink), { type: "code" }]));
    else if (bold !== undefined)
      nodes.push(...inline(bold, [...marks.filter((mark) => mark.type !== "strong"), strong]));
    else if (label !== undefined && href !== undefined) nodes.push(...inline(label || href, linked(marks, href)));
    else if (address !== undefined) nodes.push(...textNodes(address, linked(marks, address)));
    else if (lineBreak !== undefined) nodes.push({ type: "hardBreak" });
  }
  return joined([...nodes, ...textNodes(text.slice(from), marks)]);
}

const isLink = (mark: AdfMark): boolean => mark.type === "link";

/** Of links within links the outer one. An address that is none leaves its text. */
function linked(marks: readonly AdfMark[], href: string): readonly AdfMark[] {
  const isAddress = URL.canParse(href) && /^(https?|mailto):$/.test(new URL(href).protocol);
  return isAddress && !marks.some(isLink) ? [...marks, { type: "link", attrs: { href } }] : marks;
}

const entities: { readonly [name: string]: string } = { lt: "<", gt: ">", amp: "&", quot: '"' };
const characterOf = (entity: string): string =>
  entities[entity] ?? String.fromCodePoint(Math.min(Number(entity.slice(1)), 0x10ffff));

/** A space at both ends keeps code that begins with a backtick from its fence. */
const unpadded = (code: string): string => (/^ .*\S.* $/su.test(code) ? code.slice(1, -1) : code);

const textNodes = (text: string, marks: readonly AdfMark[]): AdfNode[] =>
  text === "" ? [] : [{ type: "text", text, ...(marks.length > 0 && { marks }) }];

/** Pieces of one text with the same marks are one. */
function joined(nodes: readonly AdfNode[]): AdfNode[] {
  const all: AdfNode[] = [];
  for (const node of nodes) {
    const last = all.at(-1);
    const isSame = last?.text !== undefined && node.text !== undefined && last.marks === node.marks;
    if (isSame) all[all.length - 1] = { ...last, text: `${last.text}${node.text}` };
    else all.push(node);
  }
  return all;
}
