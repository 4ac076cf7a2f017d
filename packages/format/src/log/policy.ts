import { quoted, sameBytes } from "./encoding.ts";
import { LogFormatError } from "./error.ts";
import { parseVkey, type VerifierKey } from "./note.ts";

/** Whom to believe: C2SP tlog-policy. The witnesses' names are the policy's own; `url` is where a witness is asked to cosign. */
export interface Policy {
  readonly logs: readonly VerifierKey[];
  readonly witnesses: readonly PolicyWitness[];
  /** What must have cosigned: a witness, a group, or `none`. */
  readonly quorum: string;
  /** Whether a checkpoint that these witnesses (by name) cosigned is to be believed. */
  satisfied(by: ReadonlySet<string>): boolean;
}

export interface PolicyWitness {
  readonly name: string;
  readonly key: VerifierKey;
  readonly url?: string;
}

export const maxPolicyBytes = 65_536;

/** Whether what a name stands for has cosigned, given the witnesses that have. */
type Rule = (by: ReadonlySet<string>) => boolean;

interface Draft {
  readonly logs: VerifierKey[];
  readonly witnesses: PolicyWitness[];
  readonly rules: Map<string, Rule>;
  /** Names that are members of a group: each may be of one only, so that nobody counts twice. */
  readonly members: Set<string>;
  quorum?: string;
}

/** @throws LogFormatError naming the line. */
export function parsePolicy(text: string): Policy {
  if (text.length > maxPolicyBytes) throw new LogFormatError(`policy: more than ${maxPolicyBytes} bytes.`);
  const draft: Draft = { logs: [], witnesses: [], rules: new Map(), members: new Set() };
  for (const [at, line] of text.split("\n").entries()) addLine(draft, line, `policy line ${at + 1}`);
  const { logs, witnesses, rules, quorum } = draft;
  if (quorum === undefined) throw new LogFormatError("policy: no quorum line. Write one, even if it is: quorum none");
  return { logs, witnesses, quorum, satisfied: rules.get(quorum) ?? (() => true) };
}

function addLine(draft: Draft, line: string, what: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a policy may not have
  if (/[\x00-\x08\x0b-\x1f\x7f]/.test(line)) throw new LogFormatError(`${what}: has control characters.`);
  const [keyword, ...words] = line.split(/[ \t]+/).filter((word) => word !== "");
  if (keyword === undefined || keyword.startsWith("#")) return;
  const add = adders.get(keyword);
  if (add === undefined)
    throw new LogFormatError(`${what}: ${quoted(keyword)} is none of ${[...adders.keys()].join(", ")}.`);
  add(draft, words, what);
}

function addLog({ logs }: Draft, [vkey, , ...more]: readonly string[], what: string): void {
  if (vkey === undefined || more.length > 0) throw new LogFormatError(`${what}: not log VKEY [URL].`);
  logs.push(newKey(logs, vkey, 1, what));
}

function addWitness(draft: Draft, [name, vkey, url, ...more]: readonly string[], what: string): void {
  if (name === undefined || vkey === undefined || more.length > 0)
    throw new LogFormatError(`${what}: not witness NAME VKEY [URL].`);
  if (url !== undefined && !/^https?:\/\/[^/]/.test(url))
    throw new LogFormatError(`${what}: url: ${quoted(url)} is not one of http or https.`);
  const known = draft.witnesses.map(({ key }) => key);
  const key = newKey(known, vkey, 4, what);
  define(draft, name, (by) => by.has(name), what);
  draft.witnesses.push({ name, key, ...(url === undefined ? {} : { url }) });
}

function addGroup(draft: Draft, [name, atLeast, ...members]: readonly string[], what: string): void {
  if (name === undefined || atLeast === undefined || members.length === 0)
    throw new LogFormatError(`${what}: not group NAME all|any|COUNT MEMBER...`);
  const needed = atLeast === "all" ? members.length : atLeast === "any" ? 1 : Number(atLeast);
  const isNumber = /^(?:all|any|[1-9]\d*)$/.test(atLeast);
  if (!isNumber || needed > members.length)
    throw new LogFormatError(`${what}: ${quoted(atLeast)} is none of all, any, 1 to ${members.length}.`);
  const rules = members.map((member) => {
    const rule = draft.rules.get(member);
    if (rule === undefined) throw new LogFormatError(`${what}: ${quoted(member)} is not defined above.`);
    if (draft.members.has(member)) throw new LogFormatError(`${what}: ${quoted(member)} is a member already.`);
    draft.members.add(member);
    return rule;
  });
  define(draft, name, (by) => rules.filter((rule) => rule(by)).length >= needed, what);
}

function setQuorum(draft: Draft, [name, ...more]: readonly string[], what: string): void {
  if (name === undefined || more.length > 0) throw new LogFormatError(`${what}: not quorum NAME.`);
  if (draft.quorum !== undefined) throw new LogFormatError(`${what}: a second quorum.`);
  if (name !== "none" && !draft.rules.has(name))
    throw new LogFormatError(`${what}: ${quoted(name)} is not defined above.`);
  draft.quorum = name;
}

const adders: ReadonlyMap<string, (draft: Draft, words: readonly string[], what: string) => void> = new Map([
  ["log", addLog],
  ["witness", addWitness],
  ["group", addGroup],
  ["quorum", setQuorum],
]);

function define({ rules }: Draft, name: string, rule: Rule, what: string): void {
  if (name === "none" || rules.has(name)) throw new LogFormatError(`${what}: the name ${quoted(name)} is taken.`);
  rules.set(name, rule);
}

/** A key of the right kind that is not there yet. The same key under another name would be one party counted twice. */
function newKey(known: readonly VerifierKey[], vkey: string, type: VerifierKey["type"], what: string): VerifierKey {
  const key = keyFrom(vkey, what);
  if (key.type !== type)
    throw new LogFormatError(
      `${what}: a key of type ${key.type}, where ${type === 1 ? "a log" : "a witness"} has ${type}.`,
    );
  if (known.some(({ publicKey }) => sameBytes(publicKey, key.publicKey)))
    throw new LogFormatError(`${what}: this public key is listed already.`);
  return key;
}

function keyFrom(vkey: string, what: string): VerifierKey {
  try {
    return parseVkey(vkey);
  } catch (error) {
    throw error instanceof LogFormatError ? new LogFormatError(`${what}: ${error.message}`) : error;
  }
}
