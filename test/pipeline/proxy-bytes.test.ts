import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, describe, expect, test } from "vitest";
import { pieces, randomFrom } from "../support/pieces.ts";
import { eventually, makePlace, root } from "../support/pipeline.ts";
import {
  allOf,
  fixture,
  leaveNobody,
  line,
  plainEnv,
  proxyCommand,
  type Started,
  start,
  startBus,
  startProxy,
} from "../support/proxied.ts";

const seed = Number(process.env.TOOLTRAIL_SEED ?? Math.floor(Math.random() * 2 ** 31));
console.log(`seed ${seed} (TOOLTRAIL_SEED)`);

const place = makePlace();
afterAll(() => place.remove());
leaveNobody();
const endpoint = await startBus();

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

interface Session {
  readonly toServer: Buffer;
  readonly toClient: Buffer;
}
const session = (toServer: string, toClient: string): Session => ({
  toServer: Buffer.from(toServer),
  toClient: Buffer.from(toClient),
});

interface Recorded {
  readonly cases: { readonly request: object; readonly ending: { via: string; result?: unknown; error?: unknown } }[];
}

/** What real servers were asked and answered, as frames. */
function recorded(): Session {
  const folder = join(root, "test/fixtures/outcomes");
  const cases = readdirSync(folder)
    .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as Recorded)
    .flatMap((file) => file.cases ?? []);
  const frames = cases.map(({ request, ending: { via, ...ending } }, id) => [
    JSON.stringify({ jsonrpc: "2.0", id, ...request }),
    via === "result" || via === "error" ? JSON.stringify({ jsonrpc: "2.0", id, ...ending }) : "",
  ]);
  const side = (i: 0 | 1) => `${frames.map((frame) => frame[i]).join("\n")}\n`;
  return session(side(0), side(1));
}

const call = (id: number | string, args: string) =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":"tools/call","params":{"name":"t","arguments":${args}}}`;
const answer = (id: number | string, text: string) =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"content":[{"type":"text","text":${JSON.stringify(text)}}]}}`;
const wide = "é — 漢字 — 🦜 — \u2028 — \u0000".repeat(200);
const huge = "0123456789abcdef — é🦜 ".repeat(840_000); // 20 MB and some
const random = randomFrom(seed);
const noise = Buffer.from(Array.from({ length: 100_000 }, () => Math.floor(random() * 256)));

const sessions: Record<string, Session> = {
  "recorded from real servers": recorded(),
  "with CRLF, blank lines and white space": session(
    `${call(1, "{}")}\r\n\r\n  ${call(2, "{}")}\t\r\n\n`,
    `${answer(1, "a")}\r\n\n \n ${answer(2, "b")} \r\n`,
  ),
  "with unknown fields, odd order, duplicate keys and escapes": session(
    `{"params":{"arguments":{"a":1.0,"a":1e400},"name":"t","x":null},"x-new":[{}],"method":"tools\\/call","id":"1","jsonrpc":"2.0"}\n`,
    `{ "result" : {"content":[],"_meta":{"a":-0.0,"b":"\\u00e9\\ud800"}}, "new": 1E2, "id":"1" , "jsonrpc":"2.0" }\n`,
  ),
  "with lines that are no JSON": {
    toServer: Buffer.concat([noise, Buffer.from(`\n${call(1, "{}")}\n[]\nnull\n"x"\n17\n{\n`), noise]),
    toClient: Buffer.concat([
      Buffer.from("Server listening on stdio…\n\x1b[31mwarn\x1b[0m\n"),
      noise,
      Buffer.from("\n"),
    ]),
  },
  "with a last line that does not end": session(
    `${call(1, "{}")}\n${call(2, "{}")}`,
    `${answer(1, "a")}\n${answer(2, "b")}`,
  ),
  "with characters of several bytes": session(`${call(1, JSON.stringify({ [wide]: wide }))}\n`, `${answer(1, wide)}\n`),
  "with a message of 20 MB": session(`${call(1, JSON.stringify({ huge }))}\n`, `${answer(1, huge)}\n`),
  "of nothing": session("", ""),
};
const joined = (...parts: readonly Session[]): Session => ({
  toServer: Buffer.concat(parts.map((one) => one.toServer)),
  toClient: Buffer.concat(parts.map((one) => one.toClient)),
});
const { "with lines that are no JSON": _noisy, "with a last line that does not end": unended, ...readable } = sessions;
sessions["of all of these"] = joined(...Object.values(sessions));
sessions["of all that can be read"] = joined(...Object.values(readable), unended ?? session("", ""));

async function say(to: Started, bytes: Buffer, seed: number): Promise<void> {
  for (const piece of pieces(bytes, seed)) if (!to.stdin.write(piece)) await once(to.stdin, "drain");
  to.stdin.end();
}

describe("bytes are the same at both ends", () => {
  test.concurrent.each([
    ...Object.keys(sessions).map((name) => [name, ""]),
    // Where an intent may be due, and where a frame may be refused, bytes take other ways; in the latter only what can be read passes.
    ["of all of these", "--intent t"],
    ["of all that can be read", "--intent t --on-spool-failure closed"],
  ])("in a session %s %s", async (name = "", flags = "") => {
    const { toServer, toClient } = sessions[name] ?? session("", "");
    const file = join(place.dir, sha256(Buffer.from(name + flags)));
    writeFileSync(file, toClient);
    const proxy = startProxy(place, fixture("raw", file, `${file}.report`, String(seed)), {
      flags: flags.split(" ").filter(Boolean),
      endpoint,
    });
    const [received, complaints, ended] = await Promise.all([
      allOf(proxy.stdout),
      allOf(proxy.stderr),
      proxy.closed,
      say(proxy, toServer, seed + 1).catch(() => {}), // where the proxy has ended, it says why
    ]);
    expect(ended, complaints.subarray(-2_000).toString()).toEqual({ code: 0, signal: null });
    expect(sha256(received)).toBe(sha256(toClient));
    expect(JSON.parse(readFileSync(`${file}.report`, "utf8"))).toEqual({
      sha256: sha256(toServer),
      bytes: toServer.length,
    });
  });

  // Pipes proper, where Node makes socket pairs: they are small, and their non-blocking flag is shared with whoever inherits them.
  test.concurrent.each([
    ["stdout", '| "$@" 2>/dev/null | { sleep 1; cat > "$OUT"; }'],
    ["stderr", '| "$@" 2>&1 >/dev/null | { sleep 1; cat > "$OUT"; }'],
  ])("through a shell's pipes, %s read late", async (name, pipeline) => {
    const [IN, OUT] = [join(place.dir, `${name}.in`), join(place.dir, `${name}.out`)];
    const bytes = Buffer.concat(Array(30).fill(noise));
    writeFileSync(IN, bytes);
    const shell = start(["sh", "-c", `cat "$IN" ${pipeline}`, "sh", ...proxyCommand(["sh", "-c", "tee /dev/fd/2"])], {
      env: { ...plainEnv(place.env(endpoint)), IN, OUT },
    });
    await shell.closed;
    expect(sha256(readFileSync(OUT))).toBe(sha256(bytes));
  });
});

describe("a side that does not read", () => {
  /** What a server of `raw.ts` says on stderr of one direction, so far. */
  function progress(proxy: Started, direction: "in" | "out"): () => Promise<number> {
    let seen = 0;
    const pattern = new RegExp(`^${direction} (\\d+)$`);
    createInterface({ input: proxy.stderr }).on("line", (line) => {
      seen = Number(pattern.exec(line)?.[1] ?? seen);
    });
    return async () => seen;
  }

  /** Nothing more moves: looks again until a while has passed without change. */
  async function settled(look: () => Promise<number>): Promise<number> {
    let [last, since] = [await look(), Date.now()];
    await eventually(
      async () => {
        const seen = await look();
        if (seen !== last) [last, since] = [seen, Date.now()];
        return last > 0 && Date.now() - since > 500;
      },
      Boolean,
      30_000,
    );
    return last;
  }

  const flood = Buffer.alloc(64 * 1024 * 1024, `${answer(1, wide)}\n`);
  const question = Buffer.from(`${call(1, "{}")}\n`);
  /** What the pipes and streams on the way may hold. */
  const bound = 4 * 1024 * 1024;

  test.concurrent("a client that reads late holds up its server alone, and gets every byte", async () => {
    const file = join(place.dir, "flood");
    writeFileSync(file, flood);
    const proxy = startProxy(place, fixture("raw", file, `${file}.report`, String(seed)), { endpoint });
    proxy.stdout.pause();
    const out = progress(proxy, "out");
    expect(await settled(out)).toBeLessThan(bound);

    proxy.stdin.write(question); // the other direction is free
    await eventually(progress(proxy, "in"), (bytes) => bytes === question.length, 5_000);
    proxy.stdin.end();
    const received = await allOf(proxy.stdout);
    expect(sha256(received)).toBe(sha256(flood));
    expect(await proxy.closed).toEqual({ code: 0, signal: null });
  });

  test.concurrent("a server that never reads holds up its client alone, and is heard", async () => {
    const proxy = startProxy(place, ["sh", "-c", "while :; do echo tick; sleep 0.02; done"], { endpoint });
    let accepted = 0;
    const pour = async () => {
      for (;;) {
        const room = proxy.stdin.write(flood.subarray(0, 65_536), () => {
          accepted += 65_536;
        });
        if (!room) await once(proxy.stdin, "drain");
      }
    };
    void pour().catch(() => {});
    expect(await settled(async () => accepted)).toBeLessThan(bound);
    await line(proxy.stdout, /tick/);
    proxy.process.kill("SIGTERM");
    expect(await proxy.exited).toEqual({ code: null, signal: "SIGTERM" });
  });
});
