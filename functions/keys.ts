import { randomBytes } from "node:crypto";
import { text } from "node:stream/consumers";
import { parseKeys } from "@tooltrail/aws/secret-keys";
import { identityOf } from "@tooltrail/format";
import { makeDigestKey, makeInstallationKey } from "@tooltrail/format/keys";

/**
 * `npm run keys`: the document of keys that the functions read on AWS (a Secrets Manager secret), made new or changed. The document comes from
 * stdin and goes to stdout, never to an argument or a file of ours.
 */

const usage = `Usage: npm run --silent keys                                     a new document
       npm run --silent keys -- rotate-digest < DOCUMENT      a new digest key; the former ones still recognise what they made
       npm run --silent keys -- rotate-installation < DOCUMENT   a new signing key; the former one stays enrolled
       npm run --silent keys -- enroll KEY < DOCUMENT         trust another installation's public key (base64url)
       npm run --silent keys -- withdraw KEY < DOCUMENT       trust it no longer`;

interface KeyDocument {
  readonly installationKey: string;
  /** The first is used, the others are from before a rotation. */
  readonly digestKeys: readonly string[];
  readonly enrolledKeys: readonly string[];
}

const publicKeyOf = (pem: string): string => identityOf(pem, randomBytes(16)).key;

interface Change {
  /** How many words come after its name. */
  readonly words: 0 | 1;
  apply(document: KeyDocument, key: string): KeyDocument;
}

const changes: ReadonlyMap<string, Change> = new Map([
  [
    "rotate-digest",
    { words: 0, apply: (document) => ({ ...document, digestKeys: [makeDigestKey(), ...document.digestKeys] }) },
  ],
  [
    "rotate-installation",
    {
      words: 0,
      apply: (document) => ({
        ...document,
        installationKey: makeInstallationKey(),
        enrolledKeys: [...document.enrolledKeys, publicKeyOf(document.installationKey)],
      }),
    },
  ],
  [
    "enroll",
    {
      words: 1,
      apply: (document, key) => ({
        ...document,
        enrolledKeys: [...new Set([...document.enrolledKeys, publicKey(key)])],
      }),
    },
  ],
  [
    "withdraw",
    {
      words: 1,
      apply: (document, key) => ({
        ...document,
        enrolledKeys: document.enrolledKeys.filter((enrolled) => enrolled !== publicKey(key)),
      }),
    },
  ],
] satisfies [string, Change][]);

async function main(): Promise<void> {
  const [change, ...words] = process.argv.slice(2); // by hand: a public key may begin with a dash
  const wanted = change === undefined ? undefined : changes.get(change);
  if ((change !== undefined && wanted === undefined) || words.length !== (wanted?.words ?? 0))
    throw new Error(`"${process.argv.slice(2).join(" ")}" is none.\n${usage}`);
  const document =
    wanted === undefined
      ? { installationKey: makeInstallationKey(), digestKeys: [makeDigestKey()], enrolledKeys: [] }
      : wanted.apply(parseDocument(await text(process.stdin)), words[0] ?? "");
  process.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
}

/** @throws Error that names the member that is wrong, and never its value. */
function parseDocument(said: string): KeyDocument {
  const { enrolledKeys } = parseKeys(said);
  return { ...(JSON.parse(said) as KeyDocument), enrolledKeys };
}

function publicKey(key: string): string {
  if (!/^[A-Za-z0-9_-]{43}$/.test(key))
    throw new Error(`"${key.slice(0, 60)}" is no public key: 43 characters of base64url.`);
  return key;
}

main().catch((error: Error) => {
  process.stderr.write(`tooltrail: ${error.message}\n`);
  process.exitCode = 64;
});
