import {
  addCheckpointText,
  consistencyProof,
  type Note,
  type NoteSignature,
  parseNote,
  parseSignatures,
  type ReadTile,
  sameBytes,
  type VerifierKey,
  verifyNote,
} from "@tooltrail/format/log";
import type { Witness } from "./ports.ts";
import { saidBy } from "./published.ts";

/** A checkpoint that is to be cosigned, signed by the log already, and the one that is published until then. */
export interface Candidate {
  readonly read: ReadTile;
  readonly size: number;
  readonly body: string;
  readonly text: string;
  readonly published: string | undefined;
}

export interface Cosigned {
  readonly signatures: readonly NoteSignature[];
  /** Those without a signature among these. */
  readonly failed: readonly { readonly name: string; readonly why: string }[];
}

/**
 * Asks every witness at once. One that does not answer, refuses, or signs badly is named and left out: a log that waited for its witnesses could be stopped by
 * any of them. Which of them a reader insists on is the reader's policy. Never throws for a witness.
 */
export async function cosignatures(witnesses: readonly Witness[], candidate: Candidate): Promise<Cosigned> {
  const asked = await Promise.all(
    witnesses.map(async (witness) => {
      try {
        return { signature: await ask(witness, candidate) };
      } catch (error) {
        // One that signed the very same before, and is away now, still has signed it.
        const signature = await earlier(candidate, witness.key).catch(() => undefined);
        return signature ? { signature } : { failed: { name: witness.key.name, why: whyOf(error) } };
      }
    }),
  );
  return {
    signatures: asked.flatMap(({ signature }) => signature ?? []),
    failed: asked.flatMap(({ failed }) => failed ?? []),
  };
}

const whyOf = (error: unknown): string => (error as Error).message.slice(0, 200);

/**
 * One witness's signature. It is told what we believe it saw last; where it saw something else it says so (409), and is asked once more from there. A proof from
 * there comes from the tree itself, so a witness that lies about it learns nothing and gets nowhere.
 */
async function ask(witness: Witness, candidate: Candidate): Promise<NoteSignature> {
  let answer = await witness.cosign(await request(candidate, lastSeenBy(witness.key, candidate.published)));
  if (answer.status === 409) {
    const seen = /^(\d{1,16})\n?$/.exec(answer.text)?.[1];
    if (seen === undefined) throw new Error("answered 409 without the size that it has.");
    if (Number(seen) > candidate.size) throw new Error(`has seen ${seen} leaves, and this log has ${candidate.size}.`);
    answer = await witness.cosign(await request(candidate, Number(seen)));
  }
  if (answer.status !== 200) throw new Error(`answered ${answer.status}.`);
  const note = { body: candidate.body, signatures: parseSignatures(answer.text) };
  const signature = await signatureOf(note, witness.key);
  if (signature === undefined) throw new Error("answered without its signature.");
  return signature;
}

async function request({ read, size, text }: Candidate, oldSize: number): Promise<string> {
  const proof = oldSize === 0 || oldSize === size ? [] : await consistencyProof(oldSize, size, read);
  return addCheckpointText({ oldSize, proof, checkpoint: text });
}

const lastSeenBy = (key: VerifierKey, published: string | undefined): number =>
  published !== undefined && hasCosigned(published, key) ? saidBy(published).size : 0;

/** Whether a published checkpoint carries a signature of this key, which was checked before it was published. */
export const hasCosigned = (published: string, { name, id }: VerifierKey): boolean =>
  parseNote(published).signatures.some((one) => one.name === name && sameBytes(one.id, id));

/** What a witness has signed already, where that is published. */
async function earlier({ published, body }: Candidate, key: VerifierKey): Promise<NoteSignature | undefined> {
  const note = published === undefined ? undefined : parseNote(published);
  return note?.body === body ? signatureOf(note, key) : undefined;
}

/** @throws LogFormatError where the key signed something else. */
async function signatureOf(note: Note, key: VerifierKey): Promise<NoteSignature | undefined> {
  if ((await verifyNote(note, [key])).length === 0) return undefined;
  return note.signatures.find(({ name, id }) => name === key.name && sameBytes(id, key.id));
}
