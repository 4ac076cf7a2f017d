import { once } from "node:events";
import { PassThrough } from "node:stream";
import type { Tracker } from "@tooltrail/emitter";
import { describe, expect, test } from "vitest";
import { type RelayOptions, relay } from "./relay.ts";

const deaf: Tracker = {
  fromClient: () => true,
  fromServer() {},
  unsendable() {},
  guards: () => false,
  awaits: () => false,
  busy: () => false,
  unparsed() {},
  close() {},
};

function run(script: string, options: Partial<RelayOptions> = {}) {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  const command = { command: "sh", args: ["-c", script], env: process.env };
  const exit = relay({ ...command, tracker: deaf, holdsFrames: false, stdin, stdout, ...options });
  return { stdin, stdout, exit };
}

describe("the relay", () => {
  test("goes on reading a client whose server has closed its input", async () => {
    const { stdin, stdout, exit } = run("exec <&-; echo closed; sleep 1; exit 3");
    await once(stdout, "data");
    for (let i = 0; i < 50; i += 1) {
      stdin.write(Buffer.alloc(65_536));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(stdin.readableFlowing).toBe(true);
    stdout.resume();
    expect(await exit).toEqual({ code: 3 });
  });

  test.each([false, true])("loses no byte to a tracker that throws (frames held: %s)", async (holdsFrames) => {
    const broken = () => {
      throw new Error("a bug in reading");
    };
    let unparsed = 0;
    const tracker = { ...deaf, fromClient: broken, fromServer: broken, close: broken, unparsed: () => void unparsed++ };
    const { stdin, stdout, exit } = run("cat", { tracker, holdsFrames });
    stdin.end('{"id":1}\n{"id":2}');
    expect(String((await stdout.toArray())[0])).toBe('{"id":1}\n{"id":2}');
    expect(await exit).toEqual({ code: 0 });
    expect(unparsed).toBeGreaterThan(0);
  });

  test.each([
    [false, '{"id":1}\n{"id":\n{"id":2}\n{"id":3}'],
    [true, '{"id":1}\n{"id":2}\n{"id":3}'],
  ])(
    "counts what nobody can read, and passes it on only where unrecorded frames may pass (frames held: %s)",
    async (holdsFrames, passed) => {
      let unparsed = 0;
      const seen: unknown[] = [];
      const fromClient = (message: unknown): boolean => seen.push(message) > 0;
      const tracker = { ...deaf, fromClient, unparsed: () => void unparsed++ };
      const { stdin, stdout, exit } = run("cat", { tracker, holdsFrames });
      stdin.end('{"id":1}\n{"id":\n{"id":2}\n{"id":3}');
      expect(Buffer.concat(await stdout.toArray()).toString()).toBe(passed);
      expect(seen).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
      expect(unparsed).toBe(1);
      expect(await exit).toEqual({ code: 0 });
    },
  );

  test.each([
    ["a call", { id: 1, method: "tools/call" }, { jsonrpc: "2.0", id: 1, error: expect.anything() }],
    [
      "a batch",
      [{ id: 1, method: "a" }, { method: "note" }, { id: 2, result: {} }, { id: "x", method: "b" }],
      [
        { jsonrpc: "2.0", id: 1, error: expect.anything() },
        { jsonrpc: "2.0", id: "x", error: expect.anything() },
      ],
    ],
  ])("answers %s that it refuses, and tells the tracker", async (_, message, answer) => {
    const answers: unknown[] = [];
    const tracker = { ...deaf, fromClient: () => false, fromServer: (said: unknown) => void answers.push(said) };
    const { stdin, stdout, exit } = run("cat", { tracker, holdsFrames: true });
    stdin.end(`${JSON.stringify(message)}\n`);
    expect(JSON.parse(Buffer.concat(await stdout.toArray()).toString())).toEqual(answer);
    expect(answers.flat()).toEqual([answer].flat());
    expect(await exit).toEqual({ code: 0 });
  });

  test("refuses what it cannot read, where only what is recorded may pass", async () => {
    const fromClient = () => {
      throw new Error("nested too deep");
    };
    const { stdin, stdout, exit } = run("cat", { tracker: { ...deaf, fromClient }, holdsFrames: true });
    stdin.end('{"id":1,"method":"tools/call"}\n');
    expect(await stdout.toArray()).toHaveLength(1);
    expect(await exit).toEqual({ code: 0 });
  });

  test("rejects where there is no such command", async () => {
    await expect(run("", { command: "tooltrail-no-such-command" }).exit).rejects.toThrow(/spawn .*ENOENT/);
  });
});
