import { hashLeaf } from "@tooltrail/format/log";

const wordsPerKey = 4;
const encoder = new TextEncoder();

/**
 * A set of texts that takes 16 bytes for each, between one and two thirds full: 1,000,000 of them in 32 MB, where a `Set` takes 150. Each is known by 128
 * bits of a hash, so that nobody finds two that are taken for one.
 */
export class TextSet {
  #slots: Uint32Array<ArrayBuffer>;
  #size = 0;

  /** @param slots those of another, which this one takes over. */
  constructor(slots: Uint32Array<ArrayBuffer> = new Uint32Array(1_024 * wordsPerKey)) {
    this.#slots = slots;
    for (let at = 0; at < slots.length; at += wordsPerKey) if (isTaken(slots, at)) this.#size += 1;
  }

  get size(): number {
    return this.#size;
  }

  /** What it consists of: not a copy. */
  get slots(): Uint32Array<ArrayBuffer> {
    return this.#slots;
  }

  /** @returns false where it was there already. */
  add(text: string): boolean {
    if ((this.#size + 1) * 3 > (this.#slots.length / wordsPerKey) * 2) this.#grow();
    const key = keyOf(text);
    const at = slotOf(this.#slots, key, 0);
    if (isTaken(this.#slots, at)) return false;
    this.#slots.set(key, at);
    this.#size += 1;
    return true;
  }

  has(text: string): boolean {
    return this.slotOf(text) !== undefined;
  }

  /** Where it lies among the slots, while nothing is added; undefined where it is not there. */
  slotOf(text: string): number | undefined {
    const at = slotOf(this.#slots, keyOf(text), 0);
    return isTaken(this.#slots, at) ? at : undefined;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(old.length * 2);
    for (let at = 0; at < old.length; at += wordsPerKey) {
      if (isTaken(old, at)) this.#slots.set(old.subarray(at, at + wordsPerKey), slotOf(this.#slots, old, at));
    }
  }
}

/** The last word is never 0: that is how an empty slot looks. */
function keyOf(text: string): Uint32Array {
  const hash = hashLeaf(encoder.encode(text));
  const view = new DataView(hash.buffer, hash.byteOffset, hash.byteLength);
  return Uint32Array.of(view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12) || 1);
}

/** Where the key at `from` lies, or the empty slot where it would. */
function slotOf(slots: Uint32Array, keys: Uint32Array, from: number): number {
  const count = slots.length / wordsPerKey;
  for (let i = (keys[from] ?? 0) % count; ; i = (i + 1) % count) {
    const at = i * wordsPerKey;
    if (!isTaken(slots, at) || isSame(slots, at, keys, from)) return at;
  }
}

const isTaken = (slots: Uint32Array, at: number): boolean => slots[at + wordsPerKey - 1] !== 0;

function isSame(slots: Uint32Array, at: number, keys: Uint32Array, from: number): boolean {
  for (let i = 0; i < wordsPerKey; i += 1) if (slots[at + i] !== keys[from + i]) return false;
  return true;
}
