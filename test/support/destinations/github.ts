import {
  type Answer,
  answering,
  type Destination,
  isText,
  objectIn,
  Refused,
  startServer,
  type Taken,
} from "./server.ts";

export interface GitHubIssue {
  readonly number: number;
  title: string;
  body: string;
  readonly labels: readonly string[];
  readonly isPullRequest?: true;
}

export interface GitHub extends Destination {
  readonly token: string;
  readonly repository: string;
  issues(): readonly GitHubIssue[];
  /** Somebody else's. */
  add(issue: Omit<GitHubIssue, "number" | "labels">): void;
  /** The search finds all that there is. Until then it finds nothing new. */
  index(): void;
}

/** Issues and the search of one repository (https://docs.github.com/en/rest/issues/issues, https://docs.github.com/en/rest/search/search). */
export async function startGitHub(token = "github_pat_secret", repository = "acme/servers"): Promise<GitHub> {
  const issues: GitHubIssue[] = [];
  let indexed = 0;
  const server = await startServer((taken) => answering(() => route(taken)));

  function route(taken: Taken): Answer {
    const { method, headers } = taken;
    const { pathname, searchParams } = new URL(taken.path, server.url);
    if (!headers["user-agent"])
      throw refused(
        403,
        "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
      );
    if (headers.authorization !== `Bearer ${token}`) throw refused(401, "Bad credentials");
    if (headers.accept !== "application/vnd.github+json") throw refused(415, "Unsupported media type");
    const base = `/repos/${repository}/issues`;
    if (method === "GET" && pathname === "/search/issues") return search(searchParams);
    if (method === "GET" && pathname === base) return list(searchParams);
    if (method === "POST" && pathname === base) return create(taken);
    const issue = issues.find(({ number }) => pathname === `${base}/${number}`);
    if (method === "PATCH" && issue !== undefined) return change(issue, taken);
    throw refused(404, "Not Found");
  }

  function list(query: URLSearchParams): Answer {
    const perPage = perPageOf(query);
    const page = Number(query.get("page") ?? 1);
    // Without these it would be the open ones.
    if (query.get("state") !== "all" || query.get("sort") !== "created" || query.get("direction") !== "desc")
      throw refused(422, "This server gives all of them, the newest first");
    const shown = issues.toReversed().slice((page - 1) * perPage, page * perPage);
    return { status: 200, body: shown.map(show) };
  }

  /** As far as the search's language is used: a phrase, a repository, what it is, and where the phrase is. */
  function search(query: URLSearchParams): Answer {
    const match = /^("(?:[^"\\]|\\.)*") repo:(\S+) is:issue in:body$/.exec(query.get("q") ?? "");
    if (match === null || match[2] !== repository) throw refused(422, "Validation Failed");
    const words = String(JSON.parse(match[1] ?? "")).toLowerCase();
    const found = issues
      .slice(0, indexed)
      .filter((one) => !one.isPullRequest && one.body.toLowerCase().includes(words));
    const items = found.slice(0, perPageOf(query)).map(show);
    return { status: 200, body: { total_count: found.length, incomplete_results: false, items } };
  }

  function create(taken: Taken): Answer {
    const { title, body, labels = [] } = objectIn(taken, (why) => refused(400, why));
    check(title, body);
    if (!Array.isArray(labels) || !labels.every((label) => isText(label, 50))) throw refused(422, "Validation Failed");
    const issue = { number: issues.length + 1, title: String(title), body: String(body), labels };
    issues.push(issue);
    return { status: 201, body: show(issue) };
  }

  function change(issue: GitHubIssue, taken: Taken): Answer {
    const { title, body } = objectIn(taken, (why) => refused(400, why));
    check(title, body);
    Object.assign(issue, { title, body });
    return { status: 200, body: show(issue) };
  }

  const show = ({ number, title, body, labels, isPullRequest }: GitHubIssue) => ({
    url: `${server.url}/repos/${repository}/issues/${number}`,
    html_url: `https://github.example/${repository}/${isPullRequest ? "pull" : "issues"}/${number}`,
    number,
    title,
    labels: labels.map((name) => ({ name })),
    state: "open",
    ...(isPullRequest && { pull_request: { url: `${server.url}/repos/${repository}/pulls/${number}` } }),
    body,
  });

  return {
    ...server,
    token,
    repository,
    issues: () => issues,
    add: (issue) => issues.push({ ...issue, number: issues.length + 1, labels: [] }),
    index() {
      indexed = issues.length;
    },
  };
}

const perPageOf = (query: URLSearchParams): number => Math.min(100, Number(query.get("per_page") ?? 30));

function check(title: unknown, body: unknown): void {
  if (!isText(title, 256)) throw refused(422, "title is too long (maximum is 256 characters)");
  if (!isText(body, 65_536)) throw refused(422, "body is too long (maximum is 65536 characters)");
}

const refused = (status: number, message: string): Refused => new Refused({ status, body: { message } });
