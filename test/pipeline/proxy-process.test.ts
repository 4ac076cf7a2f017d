import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { eventually, makePlace, node, root } from "../support/pipeline.ts";
import {
  allOf,
  descendants,
  type Ended,
  fixture,
  gone,
  isAlive,
  leaveNobody,
  line,
  plainEnv,
  proxyCommand,
  serverOf,
  start,
  startBus,
  startProxy,
  watchOver,
} from "../support/proxied.ts";

const place = makePlace();
afterAll(() => place.remove());
leaveNobody();
const endpoint = await startBus();

const env = plainEnv(place.env(endpoint));
const proxied = (command: readonly string[], flags: readonly string[] = []) =>
  startProxy(place, command, { flags, endpoint });
const sh = (script: string): string[] => ["sh", "-c", script];
const byCode = (code: number): Ended => ({ code, signal: null });
const bySignal = (signal: NodeJS.Signals): Ended => ({ code: null, signal });

describe("the proxy ends as its server does", () => {
  test.concurrent.each([
    ["exit 0", byCode(0)],
    ["exit 3", byCode(3)],
    ["exit 255", byCode(255)],
    ["kill -KILL $$", bySignal("SIGKILL")],
    ["kill -TERM $$", bySignal("SIGTERM")],
    ["kill -SEGV $$", bySignal("SIGSEGV")],
    ["kill -ABRT $$", bySignal("SIGABRT")],
    ["kill -INT $$", bySignal("SIGINT")],
    ["kill -HUP $$", bySignal("SIGHUP")],
    ["kill -USR1 $$", bySignal("SIGUSR1")],
    ["kill -USR2 $$", bySignal("SIGUSR2")],
    ["kill -PIPE $$", bySignal("SIGPIPE")],
  ])("of `%s`", async (script, ended) => {
    // A process that dumps core is slow, and nobody wants the dump.
    expect(await start(sh(`ulimit -c 0; ${script}`)).closed).toEqual(ended);
    const proxy = start(["sh", "-c", 'ulimit -c 0; exec "$@"', "sh", ...proxyCommand(sh(script))], {
      env,
    });
    expect(await proxy.closed).toEqual(ended);
  });

  test.concurrent.each([
    ["is not there", ["tooltrail-no-such-command"], 127, /tooltrail-no-such-command cannot be started: ENOENT/],
    ["may not be run", [join(root, "package.json")], 126, /package\.json cannot be started: EACCES/],
  ])("of a command that %s", async (_, command, code, complaint) => {
    const proxy = proxied(command);
    const [said, ended] = await Promise.all([allOf(proxy.stderr), proxy.closed]);
    expect(ended).toEqual(byCode(code));
    expect(said.toString()).toMatch(complaint);
  });
});

describe("a signal to the proxy reaches the server", () => {
  test.concurrent.each(["TERM", "INT", "HUP", "QUIT", "USR1", "USR2"])("SIG%s", async (name) => {
    const proxy = proxied(sh(`trap 'echo got ${name}; exit 5' ${name}; echo ready; while :; do sleep 0.02; done`));
    const said = allOf(proxy.stdout.on("data", () => {}));
    await eventually(
      async () => descendants(proxy.pid),
      (pids) => pids.length > 1,
      10_000,
    );
    proxy.process.kill(`SIG${name}` as NodeJS.Signals);
    expect(await proxy.closed).toEqual(byCode(5));
    expect((await said).toString()).toBe(`ready\ngot ${name}\n`);
  });
});

describe("the server is started as without the proxy", () => {
  const bare = {
    HOME: place.dir,
    PATH: process.env.PATH,
    PWD: root,
    LANG: "C.UTF-8",
    FOO: "bär",
    EMPTY: "",
    SPACES: " a\n b ",
  };
  const given = { ...bare, TOOLTRAIL_SPOOL: place.spool, TOOLTRAIL_ENDPOINT: endpoint };
  const show = [node, "-e", "console.log(JSON.stringify([process.env, process.cwd(), process.umask()]))"];
  const npx = ["npx", "tooltrail", "proxy", "--"];

  test.concurrent.each([
    ["node", proxyCommand([]), root],
    ["npx", npx, root],
    ["npx in a folder below", npx, join(root, "packages/cli")],
  ])("by %s", async (_, through, cwd) => {
    const both = [show, [...through, ...show]].map(async (command) => {
      const { stdin, stdout } = start(command, { env: { ...given, PWD: cwd }, cwd });
      stdin.end();
      return JSON.parse((await allOf(stdout)).toString()) as unknown;
    });
    const [direct, behind] = await Promise.all(both);
    expect(behind).toEqual(direct);
  });

  test.concurrent("with its stderr, byte by byte", async () => {
    const script =
      'i=0; while [ $i -lt 300 ]; do printf "\\377\\200 %s \\360\\237\\n\\000" $i >&2; i=$((i+1)); done; printf end >&2';
    const [direct, behind] = await Promise.all(
      [start(sh(script)), proxied(sh(script))].map((one) => allOf(one.stderr)),
    );
    expect(behind).toEqual(direct);
    expect(direct?.length).toBeGreaterThan(3_000);
  });
});

describe("nothing is left over", () => {
  test.concurrent("when the client hangs up", async () => {
    const proxy = proxied(["cat"]);
    const server = await serverOf(proxy);
    proxy.stdin.end();
    expect(await proxy.closed).toEqual(byCode(0));
    expect(isAlive(server)).toBe(false);
  });

  test.concurrent("when the client ends a server that ignores it, before the client would kill the proxy itself", async () => {
    const proxy = proxied(fixture("stubborn", join(place.dir, "ended.pid")));
    const server = await stubborn(join(place.dir, "ended.pid"));
    proxy.stdin.end();
    proxy.process.kill("SIGTERM");
    await gone([server], 2_000); // so long the official clients wait
    expect(await proxy.closed).toEqual(bySignal("SIGKILL"));
  });

  test.concurrent("when the client hangs up only after it has asked the server to end", async () => {
    const proxy = proxied(fixture("stubborn", join(place.dir, "asked.pid")));
    const server = await stubborn(join(place.dir, "asked.pid"));
    proxy.process.kill("SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 100)); // a signal and an end of input have no order but time
    proxy.stdin.end();
    expect(await proxy.closed).toEqual(bySignal("SIGKILL"));
    expect(isAlive(server)).toBe(false);
  });

  /** A client that holds the pipes of what it started, says its pid, and can be killed. */
  const client = `const { spawn } = require("node:child_process");
    const child = spawn(process.argv[1], process.argv.slice(2), { stdio: ["pipe", "pipe", "inherit"] });
    child.stdout.resume();
    console.log(child.pid);`;
  test.concurrent.each([
    ["", "", []],
    ["", " that has closed its input", ["close-stdin"]],
    ["", " that has closed its output", ["close-stdout"]],
    ["npx ", "", []],
  ])("when the client of %sa server%s is killed, and the server ignores it", async (by, which, quirks) => {
    const pidFile = join(place.dir, `killed${by}${which}.pid`);
    const command = fixture("stubborn", pidFile, ...quirks);
    const through = by === "" ? proxyCommand(command) : ["npx", "tooltrail", "proxy", "--", ...command];
    const parent = start([node, "-e", client, ...through], { env, cwd: root });
    const server = await stubborn(pidFile);
    const all = descendants(parent.pid);
    expect(all).toContain(server);
    all.forEach(watchOver);
    parent.process.kill("SIGKILL");
    await gone(all, 8_000);
  });

  test.concurrent("when the client no longer reads", async () => {
    const proxy = proxied(["yes"]);
    const server = await serverOf(proxy);
    proxy.stdout.destroy();
    const { code, signal } = await proxy.exited;
    expect([1, "SIGPIPE"]).toContain(signal ?? code); // a socket that is closed with unread bytes in it says ECONNRESET
    expect(isAlive(server)).toBe(false);
  });

  test.concurrent("when the server closes its input and its client ends it", async () => {
    const pidFile = join(place.dir, "closed-input.pid");
    const proxy = proxied(fixture("stubborn", pidFile, "close-stdin"));
    const server = await stubborn(pidFile);
    for (let i = 0; i < 10; i += 1) await new Promise((done) => setTimeout(() => proxy.stdin.write("x\n", done), 20));
    proxy.stdin.end();
    proxy.process.kill("SIGTERM");
    expect(await proxy.closed).toEqual(bySignal("SIGKILL"));
    expect(isAlive(server)).toBe(false);
  });

  test.concurrent("when the server has closed its output: it lives on, its client learns of it, and both end", async () => {
    const proxy = proxied(sh("exec >&-; read line; exit 4"));
    await allOf(proxy.stdout);
    expect(proxy.process.exitCode).toBeNull();
    proxy.stdin.write("go\n");
    expect(await proxy.closed).toEqual(byCode(4));
  });

  test.concurrent("when a grandchild keeps the server's pipes", async () => {
    const proxy = proxied(sh("sleep 30 & echo $!; exit 3"));
    const [pid] = await line(proxy.stdout, /^\d+$/);
    watchOver(Number(pid));
    expect(await proxy.exited).toEqual(byCode(3));
  });

  // No more than the pipes on the way hold, so that the server has ended while its client has yet to read.
  test.concurrent.each([100_000, 300_000])(
    "of what a server said last, %d bytes, however late they are read",
    async (bytes) => {
      // By a shell's pipe, which nobody empties before its time; longer than any patience of the proxy's own.
      const late = start(
        [
          "sh",
          "-c",
          '{ "$@"; echo $? >&2; } | { sleep 11; wc -c; }',
          "sh",
          ...proxyCommand(sh(`head -c ${bytes} /dev/zero; exit 6`)),
        ],
        { env },
      );
      const [count, code] = await Promise.all([allOf(late.stdout), allOf(late.stderr)]);
      expect([Number(count), Number(code)]).toEqual([bytes, 6]);
    },
  );

  async function stubborn(pidFile: string): Promise<number> {
    const read = async () => Number(readFileSync(pidFile, { encoding: "utf8", flag: "a+" }));
    const pid = await eventually(read, (pid) => pid > 0, 20_000);
    watchOver(pid);
    return pid;
  }
});
