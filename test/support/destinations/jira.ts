import type { AdfMark, AdfNode } from "@tooltrail/core/telling/adf";
import {
  type Answer,
  answering,
  type Destination,
  isObject,
  isText,
  objectIn,
  Refused,
  startServer,
  type Taken,
} from "./server.ts";

export interface JiraIssue {
  readonly key: string;
  summary: string;
  description: AdfNode;
  readonly labels: readonly string[];
}

export interface Jira extends Destination {
  readonly user: string;
  readonly token: string;
  readonly project: string;
  issues(): readonly JiraIssue[];
  /** The search finds all that there is. Until then it finds nothing new. */
  index(): void;
}

/**
 * Issues and the search of one project of Jira Cloud, REST v3 (https://developer.atlassian.com/cloud/jira/platform/rest/v3/).
 *
 * @param limit of a description: of its `text`, or of the `json` that it is stored as.
 */
export async function startJira(limit: "text" | "json" = "text"): Promise<Jira> {
  const user = "tooltrail@example.com";
  const token = "jira-api-token";
  const project = "OPS";
  const issues: JiraIssue[] = [];
  let indexed = 0;
  const server = await startServer((taken) => answering(() => route(taken)));

  function route(taken: Taken): Answer {
    if (taken.headers.authorization !== `Basic ${Buffer.from(`${user}:${token}`).toString("base64")}`)
      throw new Refused({ status: 401, body: "Client must be authenticated to access this resource." });
    const content = objectIn(taken, (why) => refused({ body: why }));
    if (taken.method === "POST" && taken.path === "/rest/api/3/search/jql") return search(content);
    if (!isObject(content.fields)) throw refused({ fields: "missing" });
    if (taken.method === "POST" && taken.path === "/rest/api/3/issue") return create(content.fields);
    const issue = issues.find(({ key }) => taken.path === `/rest/api/3/issue/${key}`);
    if (taken.method === "PUT" && issue !== undefined) return change(issue, content.fields);
    return {
      status: 404,
      body: { errorMessages: ["Issue does not exist or you do not have permission to see it."], errors: {} },
    };
  }

  /** As far as its language is used: a project, a label, the oldest first. Fields that were not asked for are not given. */
  function search({ jql, fields, maxResults }: { readonly [name: string]: unknown }): Answer {
    const [, key, label] =
      /^project = "([A-Z]+)" AND labels = "([^"\s]+)" ORDER BY created ASC$/.exec(String(jql)) ?? [];
    if (key !== project) throw refused({ jql: "Error in the JQL Query" });
    if (!Array.isArray(fields) || typeof maxResults !== "number") throw refused({ fields: "missing" });
    const found = issues.slice(0, indexed).filter(({ labels }) => labels.includes(label ?? ""));
    const shown = found.slice(0, maxResults).map((one) => ({
      id: one.key.slice(project.length + 1),
      key: one.key,
      fields: Object.fromEntries(fields.map((name) => [name, one[name as keyof JiraIssue]])),
    }));
    return { status: 200, body: { issues: shown, isLast: found.length <= maxResults } };
  }

  function create(fields: { readonly [name: string]: unknown }): Answer {
    const { project: place, issuetype, labels } = fields;
    if (!isObject(place) || place.key !== project) throw refused({ project: "valid project is required" });
    if (!isObject(issuetype) || issuetype.name !== "Task") throw refused({ issuetype: "Specify a valid issue type" });
    if (!Array.isArray(labels) || !labels.every((label) => isText(label, 255) && !/\s/.test(label)))
      throw refused({ labels: "The label can't contain spaces." });
    const { summary, description } = checked(fields, limit);
    const key = `${project}-${issues.length + 1}`;
    issues.push({ key, summary, description, labels });
    return {
      status: 201,
      body: { id: String(issues.length), key, self: `${server.url}/rest/api/3/issue/${issues.length}` },
    };
  }

  function change(issue: JiraIssue, fields: { readonly [name: string]: unknown }): Answer {
    Object.assign(issue, checked(fields, limit));
    return { status: 204 };
  }

  return {
    ...server,
    user,
    token,
    project,
    issues: () => issues,
    index() {
      indexed = issues.length;
    },
  };
}

function checked(
  { summary, description }: { readonly [name: string]: unknown },
  limit: "text" | "json",
): Pick<JiraIssue, "summary" | "description"> {
  if (!isText(summary, 255) || /[\r\n]/.test(summary))
    throw refused({ summary: "Summary can't exceed 255 characters." });
  const fault = adfFault(description, "doc");
  if (fault !== undefined) throw refused({ description: `INVALID_INPUT: ${fault}` });
  const document = description as AdfNode;
  const length = limit === "json" ? JSON.stringify(document).length : textOf(document).length;
  if (length > 32_767)
    throw refused({ description: "The entered text is too long. It exceeds the allowed limit of 32,767 characters." });
  return { summary, description: document };
}

/** What a person reads of a document. */
export const textOf = ({ text, content = [] }: AdfNode): string =>
  text ?? content.map(textOf).join(content.some((node) => node.type === "text") ? "" : "\n");

/** Which nodes may be in which, as far as they are used (https://unpkg.com/@atlaskit/adf-schema/dist/json-schema/v1/full.json). */
const within: { readonly [type: string]: readonly string[] } = {
  doc: ["paragraph", "heading", "bulletList", "orderedList", "codeBlock", "table", "rule"],
  paragraph: ["text", "hardBreak"],
  heading: ["text", "hardBreak"],
  bulletList: ["listItem"],
  orderedList: ["listItem"],
  listItem: ["paragraph", "bulletList", "orderedList", "codeBlock"],
  codeBlock: ["text"],
  table: ["tableRow"],
  tableRow: ["tableHeader", "tableCell"],
  tableHeader: ["paragraph"],
  tableCell: ["paragraph"],
};
const neverEmpty = ["bulletList", "orderedList", "listItem", "table", "tableRow", "tableHeader", "tableCell"];

/** @returns what is wrong with it, the first that is. */
export function adfFault(node: unknown, type: string): string | undefined {
  if (!isObject(node) || node.type !== type) return `no ${type}`;
  const { attrs = {}, content, text, marks } = node as unknown as AdfNode;
  if (type === "doc" && node.version !== 1) return "a document without a version";
  if (type === "heading" && !(Number(attrs.level) >= 1 && Number(attrs.level) <= 6)) return "a heading without a level";
  if (type === "orderedList" && !Number.isInteger(attrs.order)) return "a list without a number";
  if (type === "text") return isText(text, 1_000_000) ? marksFault(marks ?? []) : "an empty text";
  const allowed = within[type];
  if (allowed === undefined) return content === undefined ? undefined : `something in a ${type}`;
  if (!Array.isArray(content)) return `a ${type} without content`;
  if (content.length === 0 && neverEmpty.includes(type)) return `an empty ${type}`;
  if (type === "listItem" && content[0]?.type !== "paragraph") return "an item that does not begin with a paragraph";
  if (type === "codeBlock" && content.some((one) => one.marks !== undefined)) return "a mark in a code block";
  for (const one of content) {
    if (!allowed.includes(one.type)) return `a ${one.type} in a ${type}`;
    const fault = adfFault(one, one.type);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function marksFault(marks: readonly AdfMark[]): string | undefined {
  const types = marks.map(({ type }) => type);
  if (marks.length === 0 || new Set(types).size < types.length) return marks.length === 0 ? undefined : "a mark twice";
  if (types.includes("code") && types.includes("strong")) return "bold code";
  for (const mark of marks)
    if (mark.type === "link" && !/^(https?|mailto):/.test(mark.attrs.href)) return "a link to nowhere";
  return undefined;
}

const refused = (errors: { readonly [field: string]: string }): Refused =>
  new Refused({ status: 400, body: { errorMessages: [], errors } });
