import { PassThrough } from "node:stream";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { StdioServerTransport as StdioV1 } from "@modelcontextprotocol/sdk/server/stdio.js";
import { StdioServerTransport as StdioV2 } from "@modelcontextprotocol/server/stdio";
import { describe, expect, test } from "vitest";
import { type AuthInfo, callerOf, isStdio, type MessageExtra, nameInToken } from "./caller.ts";

const pseudonym = ({ issuer, subject }: { issuer: string; subject: string }): string => `p(${issuer}|${subject})`;
const of = (extra: MessageExtra | undefined, sessionId?: string, nameOf = nameInToken) =>
  callerOf(extra, { sessionId, stdio: true }, nameOf, pseudonym);
const by = (auth: AuthInfo & { token?: string }): MessageExtra => ({ authInfo: auth, requestInfo: { headers: {} } });

describe("who called", () => {
  test.each<[string, AuthInfo, string]>([
    [
      "the subject that the issuer names",
      { clientId: "c", extra: { iss: "https://id", sub: "ada" } },
      "https://id|ada",
    ],
    ["a subject without an issuer", { clientId: "c", extra: { sub: "ada" } }, "oauth|ada"],
    ["else the client, marked as one", { clientId: "ada" }, "oauth|client:ada"],
    ["a subject that is no text is none", { clientId: "c", extra: { sub: 5 } }, "oauth|client:c"],
  ])("%s", (_, auth, who) => {
    expect(of(by(auth))?.principal).toEqual({ ref: `p(${who})`, method: "token", verified: true });
  });

  test("is the operating system's user by stdio", () => {
    expect(of(undefined)).toBeUndefined();
    expect(of({})).toBeUndefined();
  });

  test.each<[string, MessageExtra | undefined]>([
    ["says nothing of its messages", undefined],
    ["says nothing of who sends them", { authInfo: undefined }],
  ])("is nobody known by a transport of somebody's own that %s", (_, extra) => {
    const caller = callerOf(extra, { stdio: false }, nameInToken, pseudonym);
    expect(caller).toEqual({ principal: { ref: "p(|)", method: "none", verified: false } });
  });

  test("is whom the token names, by a transport of somebody's own", () => {
    const caller = callerOf({ authInfo: { clientId: "ada" } }, { stdio: false }, nameInToken, pseudonym);
    expect(caller?.principal).toEqual({ ref: "p(oauth|client:ada)", method: "token", verified: true });
  });

  test.each<[string, object, boolean]>([
    ["the transport of SDK 1", new StdioV1(), true],
    ["the transport of SDK 2", new StdioV2(), true],
    ["the channel before it", { _wire: new StdioV2(), send() {} }, true],
    ["the same transport over other streams", new StdioV1(new PassThrough(), new PassThrough()), false],
    ["a channel before something else", { _wire: {} }, false],
    ["a transport in memory", InMemoryTransport.createLinkedPair()[0], false],
    ["nothing that it knows", { _stdin: null, _wire: null }, false],
  ])("is told by standard input: %s", (_, transport, expected) => {
    expect(isStdio(transport)).toBe(expected);
  });

  test.each<[string, MessageExtra | undefined, string | undefined]>([
    ["without a token", { requestInfo: { headers: {} } }, undefined],
    ["without a token, in SDK 2", { request: { headers: new Headers() } }, undefined],
    ["in a session, without anything", undefined, "s1"],
    ["with a token that names nobody", by({}), undefined],
  ])("is nobody known by HTTP %s", (_, extra, sessionId) => {
    expect(of(extra, sessionId)).toMatchObject({ principal: { ref: "p(|)", method: "none", verified: false } });
  });

  test.each<[string, () => never]>([
    [
      "fails",
      () => {
        throw new Error("no");
      },
    ],
    ["answers nonsense", (() => ({ issuer: 1 })) as unknown as () => never],
    ["answers nothing", (() => undefined) as unknown as () => never],
  ])("is nobody known where the operator's own function %s", (_, nameOf) => {
    expect(of(by({ clientId: "c" }), undefined, nameOf)?.principal.verified).toBe(false);
  });

  test("is named in what a batch takes, and told apart by all of the name", () => {
    const long = (end: string) => of(by({ extra: { sub: "x".repeat(600) + end } }));
    expect(long("a")?.name?.subject).toHaveLength(512);
    expect(long("a")?.principal.ref).not.toBe(long("b")?.principal.ref);
  });

  test("carries the session and the revision, and never the token", () => {
    const extra = {
      authInfo: { token: "secret", clientId: "c" },
      requestInfo: { headers: { "mcp-protocol-version": "2025-11-25", authorization: "Bearer secret" } },
    };
    const caller = of(extra, "s1");
    expect(caller).toMatchObject({ sessionId: "s1", protocol: "2025-11-25" });
    expect(of({ request: { headers: new Headers({ "Mcp-Protocol-Version": "2026-07-28" }) } })?.protocol).toBe(
      "2026-07-28",
    );
    expect(JSON.stringify(caller)).not.toContain("secret");
  });
});
