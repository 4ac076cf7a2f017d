import type { Ticket } from "../incidents/incident.ts";
import type { Attempt, HttpAnswer, TicketText } from "../incidents/ports.ts";
import type { Destination } from "../response/response.ts";
import { type Errand, Failure, jsonOf, membersOf } from "./attempt.ts";
import { cut, plainText } from "./words.ts";

type GitHub = Extract<Destination, { readonly type: "github" }>;
interface Issue {
  readonly number: number;
  readonly url: string;
}

const publicApi = "https://api.github.com";
const maxTitle = 256;
const maxBody = 65_536;
/** Of the newest issues so many are looked through. */
const newest = 20;
/** Characters from which on a body that is no JSON may be one that was cut: 256 KiB of three bytes each. */
const cutFrom = 85_000;

/**
 * An issue of a repository (https://docs.github.com/en/rest/issues/issues). The token needs "issues: read and write".
 *
 * Before one is made, it is looked for by its marker: among the newest issues, which are read as they are, and by a search, whose index is some seconds or minutes behind. So a second one is made only
 * where the first was made and not remembered, more than twenty others followed it before the next attempt, and the search has not seen it yet; or where GitHub still makes it after the next attempt
 * has looked. Of two the older one is kept up.
 */
export async function putOnGitHub(
  errand: Errand,
  destination: GitHub,
  text: TicketText,
  known: Ticket | undefined,
): Promise<Attempt> {
  const api = await openApi(errand, destination);
  const found = known === undefined ? await find(api, text.marker) : { number: Number(known.id), url: known.url };
  const content = { title: cut(plainText(text.title), maxTitle), body: bodyOf(text) };
  const issue =
    found === undefined
      ? await api.create({ ...content, ...(destination.labels && { labels: destination.labels }) })
      : await api.change(found, content);
  const { name } = destination;
  return {
    outcome: "done",
    ticket: { destination: name, id: String(issue.number), url: issue.url, revision: text.revision },
  };
}

/** With the marker, also where the text is too long. */
function bodyOf({ markdown, marker, incident }: TicketText): string {
  if (markdown.length <= maxBody) return markdown;
  const note = `\n\nThe rest did not fit in here: npx tooltrail postmortem show ${incident}\n\n${marker}\n`;
  return `${wholeBlocks(markdown, maxBody - note.length)}${note}`;
}

/** Up to a blank line outside of code: half a receipt verifies nothing, and what followed it would be code as well. */
function wholeBlocks(markdown: string, max: number): string {
  let fence: string | undefined;
  let length = 0;
  let whole = 0;
  for (const line of markdown.split("\n")) {
    if (length + line.length > max) break;
    const [marker] = /^(`{3,}|~{3,})/.exec(line) ?? [];
    if (fence === undefined) fence = marker;
    else if (line.trimEnd() === fence) fence = undefined;
    if (line === "" && fence === undefined) whole = length;
    length += line.length + 1;
  }
  return markdown.slice(0, whole).trimEnd();
}

interface Api {
  /** Issues in whose body the marker is. Undefined where the answer was too long to be read. */
  list(path: string, marker: string): Promise<Issue[] | undefined>;
  readonly newestPath: (perPage: number, page: number) => string;
  readonly searchPath: (marker: string, perPage: number) => string;
  create(content: object): Promise<Issue>;
  change(issue: Issue, content: object): Promise<Issue>;
}

async function openApi(errand: Errand, { url = publicApi, repository, token }: GitHub): Promise<Api> {
  const base = url.replace(/\/+$/, "");
  const issues = `/repos/${repository.split("/").map(encodeURIComponent).join("/")}/issues`;
  const headers = {
    authorization: `Bearer ${await errand.secret(token)}`,
    accept: "application/vnd.github+json",
    "content-type": "application/json",
    "x-github-api-version": "2022-11-28",
  };
  const ask = (method: "GET" | "POST" | "PATCH", path: string, content?: object): Promise<HttpAnswer> =>
    errand.send({ method, url: `${base}${path}`, headers, ...(content && { body: JSON.stringify(content) }) });
  return {
    async list(path, marker) {
      const answer = await ask("GET", path);
      const value = jsonOf(answer);
      const items = Array.isArray(value) ? value : membersOf(value).items;
      if (Array.isArray(items)) return items.filter((item) => isOurs(item, marker)).flatMap(issueOf);
      if (value === undefined && answer.body.length >= cutFrom) return undefined;
      throw new Failure("the answer is no list of GitHub's.", true);
    },
    newestPath: (perPage, page) => `${issues}?state=all&sort=created&direction=desc&per_page=${perPage}&page=${page}`,
    searchPath(marker, perPage) {
      const query = `${JSON.stringify(marker)} repo:${repository} is:issue in:body`;
      return `/search/issues?q=${encodeURIComponent(query)}&per_page=${perPage}`;
    },
    create: async (content) => made(await ask("POST", issues, content)),
    change: async ({ number }, content) => made(await ask("PATCH", `${issues}/${number}`, content)),
  };
}

async function find(api: Api, marker: string): Promise<Issue | undefined> {
  const recent = await fewerAtOnce([newest, 5, 1], async (perPage) => {
    for (let page = 1; page <= newest / perPage; page += 1) {
      const issues = await api.list(api.newestPath(perPage, page), marker);
      if (issues === undefined && perPage > 1) return undefined;
      if (issues !== undefined && issues.length > 0) return issues;
    }
    return [];
  });
  const found =
    recent.length > 0
      ? recent
      : await fewerAtOnce([5, 1], (perPage) => api.list(api.searchPath(marker, perPage), marker));
  return found.toSorted((a, b) => a.number - b.number)[0];
}

/** Of an answer's body at most 256 KiB are read, which twenty long issues exceed: then they are asked for in smaller pages. One that is too long by itself is none of ours. */
async function fewerAtOnce(
  sizes: readonly number[],
  look: (perPage: number) => Promise<Issue[] | undefined>,
): Promise<Issue[]> {
  for (const perPage of sizes) {
    const issues = await look(perPage);
    if (issues !== undefined) return issues;
  }
  return [];
}

/** The list has pull requests among the issues, and a search finds what is only similar. */
const isOurs = (item: unknown, marker: string): boolean => {
  const { body, pull_request } = membersOf(item);
  return pull_request === undefined && typeof body === "string" && body.includes(marker);
};

function issueOf(item: unknown): Issue[] {
  const { number, html_url } = membersOf(item);
  return typeof number === "number" && typeof html_url === "string" ? [{ number, url: html_url }] : [];
}

function made(answer: HttpAnswer): Issue {
  const [issue] = issueOf(jsonOf(answer));
  if (issue === undefined) throw new Failure("the answer is no issue of GitHub's.", true);
  return issue;
}
