import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Ticket } from "@tooltrail/core/incidents/incident";
import type { Attempt, TicketText, Ways } from "@tooltrail/core/incidents/ports";
import type { Destination as Told } from "@tooltrail/core/response/response";
import { putTicket } from "@tooltrail/core/telling/ticket";
import { fileFolders } from "@tooltrail/local/file-folders";
import { afterEach, describe, expect, test } from "vitest";
import { fetchHttp } from "../../functions/lib/http.ts";
import { startGitHub } from "../support/destinations/github.ts";
import { startJira, textOf } from "../support/destinations/jira.ts";
import type { Destination, Fault } from "../support/destinations/server.ts";

const running: Destination[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const incident = "inc_abcdefghijklmnopqrstuvwxyz";
const marker = `tooltrail-postmortem ${incident}`;
const text = (markdown = "# Refunds failed\n\n- one\n- two", revision = 1): TicketText => ({
  incident,
  marker,
  title: `Postmortem: refunds failed ${revision}`,
  markdown: `${markdown}\n\n${marker}\n`,
  revision,
  severity: "page",
});

interface Tracker {
  readonly ways: Ways;
  readonly destination: Told;
  readonly server: Destination;
  /** What each ticket says, the oldest first. */
  shown(): string[];
  index(): void;
}

const waysWith = (token: string): Ways => ({
  now: () => 0,
  http: fetchHttp({ timeoutMs: 300 }),
  secrets: { read: async (name) => (name === "token" ? token : undefined) },
});

async function gitHub() {
  const server = await startGitHub();
  running.push(server);
  const { url, repository, token } = server;
  const destination: Told = {
    kind: "Destination",
    name: "issues",
    type: "github",
    url: `${url}/`,
    repository,
    token: { secret: "token" },
    labels: ["postmortem"],
  };
  const shown = () => server.issues().map(({ body }) => body);
  return { server, destination, ways: waysWith(token), shown, index: server.index };
}

async function jira(limit?: "text" | "json") {
  const server = await startJira(limit);
  running.push(server);
  const { url, user, project, token } = server;
  const destination: Told = {
    kind: "Destination",
    name: "ops",
    type: "jira",
    url,
    user,
    project,
    token: { secret: "token" },
  };
  const shown = () => server.issues().map(({ description }) => textOf(description));
  return { server, destination, ways: waysWith(token), shown, index: server.index };
}

const ticketOf = (attempt: Attempt): Ticket => {
  if (attempt.outcome !== "done" || attempt.ticket === undefined) throw new Error(JSON.stringify(attempt));
  return attempt.ticket;
};

const trackers: readonly (readonly [string, () => Promise<Tracker>, requests: number])[] = [
  ["GitHub", gitHub, 3],
  ["Jira", jira, 2],
];

describe.each(trackers)("%s", (name, open, requests) => {
  test("a postmortem becomes one ticket, which changes with it", async () => {
    const { ways, destination, server, shown } = await open();
    const made = ticketOf(await putTicket(ways, destination, text(), undefined));
    expect(server.requests()).toHaveLength(requests);
    const changed = ticketOf(await putTicket(ways, destination, text("# It was the cache", 2), made));
    expect(changed).toEqual({ ...made, revision: 2 });
    expect(shown()).toEqual([expect.stringContaining("It was the cache")]);
    expect(shown()).toEqual([expect.stringContaining(marker)]);
  });

  test("what was made, and not remembered, is found and changed", async () => {
    const { ways, destination, shown, index } = await open();
    const made = ticketOf(await putTicket(ways, destination, text(), undefined));
    index();
    expect(await putTicket(ways, destination, text("# Later", 3), undefined)).toEqual({
      outcome: "done",
      ticket: { ...made, revision: 3 },
    });
    expect(shown()).toEqual([expect.stringContaining("Later")]);
  });

  const faults: readonly Fault[] = ["reset", "answer lost", "slow", "half-closed", { status: 500 }, { status: 429 }];
  const everywhere = Array.from({ length: requests }, (_, at) => faults.map((fault) => ({ at, fault }))).flat();
  test.each(everywhere)("whatever request fails, one ticket is made: $at, $fault", async ({ at, fault }) => {
    const { ways, destination, server, shown, index } = await open();
    let count = 0;
    const failing: Ways = {
      ...ways,
      http: {
        send(request) {
          server.answerWith(count === at ? fault : undefined);
          count += 1;
          return ways.http.send(request);
        },
      },
    };
    expect(await putTicket(failing, destination, text(), undefined)).toMatchObject({
      outcome: "failed",
      retryable: true,
    });
    server.answerWith();
    index();
    expect(await putTicket(ways, destination, text(), undefined)).toMatchObject({ outcome: "done" });
    expect(shown()).toHaveLength(1);
  });

  test("an answer that is not theirs makes no ticket", async () => {
    const { ways, destination, server, shown } = await open();
    server.answerWith({ status: 200, body: "<html>Please log in</html>" }, 1);
    expect(await putTicket(ways, destination, text(), undefined)).toMatchObject({ outcome: "failed", retryable: true });
    expect(shown()).toEqual([]);
  });

  test("a ticket that somebody deleted is not made again", async () => {
    const { ways, destination, shown } = await open();
    const gone: Ticket = { destination: "x", id: name === "Jira" ? "OPS-77" : "77", url: "https://x", revision: 1 };
    expect(await putTicket(ways, destination, text(), gone)).toMatchObject({ outcome: "failed", retryable: false });
    expect(shown()).toEqual([]);
  });

  test("a token that is refused may be put right, and is not said", async () => {
    const { ways, destination } = await open();
    const wrong = { ...ways, secrets: { read: async () => "wrong-token" } };
    const attempt = await putTicket(wrong, destination, text(), undefined);
    expect(attempt).toMatchObject({ outcome: "failed", retryable: true });
    expect(JSON.stringify(attempt)).not.toContain("wrong-token");
  });

  test("one that is too long is cut, says so, and keeps its marker", async () => {
    const { ways, destination, shown } = await open();
    const long = text(
      Array(2_000)
        .fill(`${"é".repeat(60)}`)
        .join("\n\n"),
    );
    expect(await putTicket(ways, destination, long, undefined)).toMatchObject({ outcome: "done" });
    const [said = ""] = shown();
    expect(said).toContain(`npx tooltrail postmortem show ${incident}`);
    expect(said).toContain(marker);
    expect(said.length).toBeGreaterThan(30_000);
  });
});

describe("GitHub", () => {
  test("a new issue has the destination's labels, and its address is for people", async () => {
    const { ways, destination, server } = await gitHub();
    const ticket = ticketOf(await putTicket(ways, destination, text(), undefined));
    expect(ticket).toEqual({
      destination: "issues",
      id: "1",
      url: "https://github.example/acme/servers/issues/1",
      revision: 1,
    });
    expect(server.issues()).toMatchObject([{ title: "Postmortem: refunds failed 1", labels: ["postmortem"] }]);
  });

  test("an issue that the search does not know yet is found among the newest", async () => {
    const { ways, destination, server } = await gitHub();
    await putTicket(ways, destination, text(), undefined);
    for (let i = 0; i < 19; i += 1) server.add({ title: "other", body: "other" });
    expect(ticketOf(await putTicket(ways, destination, text(), undefined)).id).toBe("1");
    expect(server.issues()).toHaveLength(20);
  });

  test("an older one is found by the search", async () => {
    const { ways, destination, server } = await gitHub();
    await putTicket(ways, destination, text(), undefined);
    for (let i = 0; i < 50; i += 1) server.add({ title: "other", body: "other" });
    server.index();
    expect(ticketOf(await putTicket(ways, destination, text(), undefined)).id).toBe("1");
    expect(server.issues()).toHaveLength(51);
  });

  test("it is found behind issues that are too long to be read together", async () => {
    const { ways, destination, server } = await gitHub();
    await putTicket(ways, destination, text(), undefined);
    for (let i = 0; i < 15; i += 1) server.add({ title: "long", body: "€".repeat(65_000) });
    expect(ticketOf(await putTicket(ways, destination, text(), undefined)).id).toBe("1");
  });

  test("one that is too long to be read by itself is none of ours", async () => {
    const { ways, destination, server } = await gitHub();
    server.add({ title: "long", body: "\u0001".repeat(65_000) });
    expect(ticketOf(await putTicket(ways, destination, text(), undefined)).id).toBe("2");
  });

  test("a pull request that names the incident is not the ticket", async () => {
    const { ways, destination, server } = await gitHub();
    server.add({ title: "Fix", body: `Fixes what ${marker} tells`, isPullRequest: true });
    expect(ticketOf(await putTicket(ways, destination, text(), undefined)).id).toBe("2");
  });

  test("of two the older one is kept up", async () => {
    const { ways, destination, server } = await gitHub();
    server.add({ title: "first", body: marker });
    server.add({ title: "second", body: marker });
    expect(ticketOf(await putTicket(ways, destination, text(), undefined)).id).toBe("1");
  });

  test("what does not fit ends before its code begins, and the marker is no code", async () => {
    const { ways, destination, shown } = await gitHub();
    const receipts = Array.from({ length: 40 }, (_, i) => `### rec_${i}\n\n\`\`\`\n${"hash\n\n".repeat(400)}\`\`\``);
    await putTicket(ways, destination, text(receipts.join("\n\n")), undefined);
    const [said = ""] = shown();
    expect(said.split("```").length % 2).toBe(1);
    expect(said).toMatch(/### rec_\d+\n\nThe rest did not fit in here/);
  });

  test("an exhausted rate limit is waited for", async () => {
    const { ways, destination, server } = await gitHub();
    server.answerWith({ status: 403, headers: { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "90" } });
    expect(await putTicket(ways, destination, text(), undefined)).toMatchObject({
      retryable: true,
      retryAfterMs: 90_000,
    });
  });
});

describe("Jira", () => {
  test("an issue has a label that is found, and a document", async () => {
    const { ways, destination, server } = await jira();
    const ticket = ticketOf(await putTicket(ways, destination, text(), undefined));
    expect(ticket).toEqual({ destination: "ops", id: "OPS-1", url: `${server.url}/browse/OPS-1`, revision: 1 });
    const [issue] = server.issues();
    expect(issue?.labels).toEqual([`tooltrail-${incident}`]);
    expect(issue?.description.content?.map(({ type }) => type)).toEqual(["heading", "bulletList", "paragraph"]);
  });

  test("one whose JSON counts, and not its text, is cut further", async () => {
    const { ways, destination, server } = await jira("json");
    const table = text(`| a | b |\n|---|---|\n${"| 1 | 2 |\n".repeat(10)}\n`.repeat(40));
    expect(await putTicket(ways, destination, table, undefined)).toMatchObject({ outcome: "done" });
    const [issue] = server.issues();
    expect(JSON.stringify(issue?.description).length).toBeGreaterThan(30_000);
    expect(textOf(issue?.description ?? { type: "doc" })).toContain("npx tooltrail postmortem show");
  });

  test("after a lost answer the search is given time to see what was made", async () => {
    const { ways, destination, server } = await jira();
    let count = 0;
    const send: Ways["http"]["send"] = (request) => {
      server.answerWith(count === 1 ? "answer lost" : undefined);
      count += 1;
      return ways.http.send(request);
    };
    const attempt = await putTicket({ ...ways, http: { send } }, destination, text(), undefined);
    expect(attempt).toMatchObject({ retryable: true, retryAfterMs: 30_000 });
  });

  test("a title is one line", async () => {
    const { ways, destination, server } = await jira();
    await putTicket(ways, destination, { ...text(), title: `a\nb ${"x".repeat(500)}` }, undefined);
    expect(server.issues()[0]?.summary).toMatch(/^a b x+…$/);
  });
});

describe("a folder", () => {
  const open = () => {
    const base = mkdtempSync(join(tmpdir(), "tooltrail-tickets-"));
    folders.push(base);
    const destination: Told = { kind: "Destination", name: "files", type: "folder", path: "postmortems/" };
    const path = join(base, "postmortems", `${incident}.md`);
    return { base, path, destination, ways: { ...waysWith(""), folders: fileFolders(base) } };
  };

  test("has a file for each postmortem, for this user alone, which changes with it", async () => {
    const { ways, destination, path } = open();
    const ticket = ticketOf(await putTicket(ways, destination, text(), undefined));
    expect(ticket).toEqual({
      destination: "files",
      id: `${incident}.md`,
      url: `postmortems/${incident}.md`,
      revision: 1,
    });
    expect(readFileSync(path, "utf8")).toBe(text().markdown);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await putTicket(ways, destination, text("# Later", 2), ticket);
    expect(readFileSync(path, "utf8")).toBe(text("# Later", 2).markdown);
    expect(readdirSync(join(path, ".."))).toEqual([`${incident}.md`]);
  });

  test("one that says the same already is left alone", async () => {
    const { ways, destination, path } = open();
    await putTicket(ways, destination, text(), undefined);
    const { ino } = statSync(path);
    await putTicket(ways, destination, text(), undefined);
    expect(statSync(path).ino).toBe(ino);
  });

  test("somebody else's file is left alone", async () => {
    const { ways, destination, path } = open();
    await putTicket(ways, destination, text(), undefined);
    writeFileSync(path, "mine");
    expect(await putTicket(ways, destination, text(), undefined)).toMatchObject({
      outcome: "failed",
      retryable: false,
    });
    expect(readFileSync(path, "utf8")).toBe("mine");
  });

  test("without folders it is said, and not tried again", async () => {
    const { destination, base } = open();
    expect(await putTicket(waysWith(""), destination, text(), undefined)).toMatchObject({
      outcome: "failed",
      retryable: false,
    });
    expect(existsSync(join(base, "postmortems"))).toBe(false);
  });
});

test("who is told of incidents takes no tickets", async () => {
  const destination: Told = { kind: "Destination", name: "x", type: "slack", url: { secret: "token" } };
  expect(await putTicket(waysWith("x"), destination, text(), undefined)).toMatchObject({
    outcome: "failed",
    retryable: false,
  });
});
