/**
 * The shapes that an encoder remembers: lists of keys, each with a number that
 * the decoder knows as well.
 *
 *   find(['type', 'term'])      root ─type─> . ─term─> shape 0
 *                                            └─name─> . ─term─> shape 1
 *
 * The tree is asked only when a guess has failed. A list of keys becomes a
 * shape when it is met for the second time, so that dictionaries whose keys are
 * always new neither take numbers nor memory.
 */
import { SHAPE_KEYS_MAX, SHAPES_MAX, USES_BEFORE_CODE } from './limits.js';
import { type FieldWriter, type KeyMatcher, matcherFor, writerFor } from './shape-code.js';

/** Hashes of lists met once; a later one takes the place of an earlier one. */
const SIGHTINGS = 512;

/** In place of a text that a field remembers: equal to no value. */
const NO_TEXT = Symbol('no text');

/** Guesses are kept by level of nesting, the deeper ones together. */
const GUESSES = 16;

interface Node {
  readonly key: string;
  readonly parent: Node | null;
  readonly children: Map<string, Node>;
  shape: Shape | null;
}

export class Shape {
  readonly number: number;
  readonly keys: readonly string[];
  /** By field: the text that stood there last and its number, for one comparison. */
  readonly texts: (string | symbol)[];
  readonly textNumbers: number[];
  /** By field: how often in a row a text was not a known one. */
  readonly misses: number[];

  /** Whether an object has exactly these keys in this order. */
  matches: KeyMatcher;
  /** Writes the values. */
  write: FieldWriter;
  #usesBeforeCode = USES_BEFORE_CODE;

  constructor(number: number, keys: readonly string[]) {
    this.number = number;
    this.keys = keys;
    this.texts = keys.map(() => NO_TEXT);
    this.textNumbers = keys.map(() => 0);
    this.misses = keys.map(() => 0);
    this.matches = matcherFor(this, { compiled: false });
    const write = writerFor(this, { compiled: false });
    this.write = (writer, value, at) => {
      this.#usesBeforeCode -= 1;
      if (this.#usesBeforeCode === 0) {
        this.matches = matcherFor(this, { compiled: true });
        this.write = writerFor(this, { compiled: true });
      }
      return write(writer, value, at);
    };
  }

  remember(index: number, text: string, number: number): void {
    this.texts[index] = text;
    this.textNumbers[index] = number;
  }
}

/** Guessed before anything was met. */
const NO_SHAPE = new Shape(-1, []);
NO_SHAPE.matches = () => false;

export class ShapeTable {
  readonly #root: Node = { key: '', parent: null, children: new Map(), shape: null };
  readonly #leaves: Node[] = [];
  readonly #sightings = new Uint32Array(SIGHTINGS);
  #committed = 0;

  /** By level of nesting: what was met there last is the likeliest to come. */
  readonly guesses: Shape[] = new Array(GUESSES).fill(NO_SHAPE);

  get size(): number {
    return this.#leaves.length;
  }

  /** Whether something was learnt since the last commit. */
  get isPending(): boolean {
    return this.#leaves.length > this.#committed;
  }

  guess(depth: number): Shape {
    return this.guesses[depth & (GUESSES - 1)] ?? NO_SHAPE;
  }

  met(shape: Shape, depth: number): void {
    this.guesses[depth & (GUESSES - 1)] = shape;
  }

  find(keys: readonly string[]): Shape | null {
    let node: Node | undefined = this.#root;
    for (const key of keys) {
      node = node.children.get(key);
      if (node === undefined) return null;
    }
    return node.shape;
  }

  /** A new shape for keys that come a second time; null if they do not, or there is no room. */
  learn(keys: readonly string[]): Shape | null {
    if (keys.length === 0 || keys.length > SHAPE_KEYS_MAX) return null;
    if (this.#leaves.length === SHAPES_MAX) return null;
    const hash = hashOf(keys);
    const place = hash % SIGHTINGS;
    if (this.#sightings[place] !== hash) {
      this.#sightings[place] = hash;
      return null;
    }
    const shape = new Shape(this.#leaves.length, keys);
    const leaf = this.#grow(keys);
    leaf.shape = shape;
    this.#leaves.push(leaf);
    return shape;
  }

  commit(): void {
    this.#committed = this.#leaves.length;
  }

  /** Forgets what was learnt since the last commit. */
  rollback(): void {
    this.truncate(this.#committed);
  }

  truncate(size: number): void {
    if (size === this.#leaves.length) return;
    while (this.#leaves.length > size) prune(this.#leaves.pop() as Node);
    this.guesses.fill(NO_SHAPE);
  }

  #grow(keys: readonly string[]): Node {
    let node = this.#root;
    for (const key of keys) {
      let child = node.children.get(key);
      if (child === undefined) {
        child = { key, parent: node, children: new Map(), shape: null };
        node.children.set(key, child);
      }
      node = child;
    }
    return node;
  }
}

/** Takes a shape from the tree, and the branch that only it needed. */
function prune(leaf: Node): void {
  leaf.shape = null;
  let node = leaf;
  while (node.parent !== null && node.shape === null && node.children.size === 0) {
    node.parent.children.delete(node.key);
    node = node.parent;
  }
}

/** FNV-1a over the characters of all keys; never 0, which stands for "none". */
function hashOf(keys: readonly string[]): number {
  let hash = 0x811c9dc5;
  for (const key of keys) {
    for (let index = 0; index < key.length; index++) {
      hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
    }
    hash = Math.imul(hash ^ 0x10000, 0x01000193);
  }
  return hash >>> 0 || 1;
}
