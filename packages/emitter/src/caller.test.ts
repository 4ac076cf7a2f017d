import { describe, expect, test } from "vitest";
import { type AuthInfo, callerOf, type MessageExtra, nameInToken } from "./caller.ts";

const pseudonym = ({ issuer, subject }: { issuer: string; subject: string }): string => `p(${issuer}|${subject})`;
const of = (extra: MessageExtra | undefined, sessionId?: string, nameOf = nameInToken) =>
  callerOf(extra, sessionId, nameOf, pseudonym);
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

  test("is the operating system's user where nothing came by HTTP", () => {
    expect(of(undefined)).toBeUndefined();
    expect(of({})).toBeUndefined();
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
