import { randomBytes } from "node:crypto";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
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

const changes: { readonly [name: string]: (document: KeyDocument, key: string) => KeyDocument } = {
  "rotate-digest": (document) => ({ ...document, digestKeys: [makeDigestKey(), ...document.digestKeys] }),
  "rotate-installation": (document) => ({
    ...document,
    installationKey: makeInstallationKey(),
    enrolledKeys: [...document.enrolledKeys, publicKeyOf(document.installationKey)],
  }),
  enroll: (document, key) => ({
    ...document,
    enrolledKeys: [...new Set([...document.enrolledKeys, publicKey(key)])],
  }),
  withdraw: (document, key) => ({
    ...document,
    enrolledKeys: document.enrolledKeys.filter((enrolled) => enrolled !== publicKey(key)),
  }),
};

async function main(): Promise<void> {
  const [change, key = "", ...more] = parseArgs({ allowPositionals: true }).positionals;
  const apply = change === undefined ? undefined : changes[change];
  if (more.length > 0 || (change !== undefined && apply === undefined))
    throw new Error(`"${change}" is none.\n${usage}`);
  const document =
    apply === undefined
      ? { installationKey: makeInstallationKey(), digestKeys: [makeDigestKey()], enrolledKeys: [] }
      : apply(parseDocument(await text(process.stdin)), key);
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
