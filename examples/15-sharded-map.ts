/**
 * A map in parts: each key belongs to one actor, found by the key's hash.
 *
 * The parts live in worker threads. Since nobody but its actor touches a part,
 * there is nothing to lock, and what is asked of one key is done in the order
 * in which it was asked. All of this file but its end runs in the threads, too.
 */
import { isMainThread } from 'node:worker_threads';
import { type ActorContext, type ActorRef, ActorSystem, Handler } from 'millrace';

const SHARDS = 2;
const PARTS = 8;
const KEYS = 4000;

interface Put {
  key: string;
  value: number;
}

/** Answers a key with its value, or null; a put with the value that was there before, or null. */
export class Part extends Handler<string | Put> {
  readonly #values = new Map<string, number>();

  override notify(_context: ActorContext<string | Put>, request: string | Put): number | null {
    const key = typeof request === 'string' ? request : request.key;
    const found = this.#values.get(key) ?? null;
    if (typeof request !== 'string') this.#values.set(key, request.value);
    return found;
  }

  size(): number {
    return this.#values.size;
  }
}

class ShardedMap {
  readonly #parts: readonly ActorRef<string | Put>[];

  constructor(parts: readonly ActorRef<string | Put>[]) {
    this.#parts = parts;
  }

  get(key: string): Promise<number | null> {
    return this.#partOf(key).ask(key);
  }

  put(key: string, value: number): Promise<number | null> {
    return this.#partOf(key).ask({ key, value });
  }

  sizes(): Promise<number[]> {
    return Promise.all(this.#parts.map((part) => part.proxy<Part>().size()));
  }

  #partOf(key: string): ActorRef<string | Put> {
    return this.#parts[hash(key) % this.#parts.length];
  }
}

/** FNV-1a, of 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value >>> 0;
}

function sum(numbers: readonly (number | null)[]): number {
  return numbers.reduce<number>((total, number) => total + (number ?? 0), 0);
}

if (isMainThread) {
  const system = await ActorSystem.start({ shards: SHARDS });
  const module = new URL(import.meta.url);
  const spawned = Array.from({ length: PARTS }, () => system.spawn<string | Put>(module));
  const map = new ShardedMap(await Promise.all(spawned));
  const keys = Array.from({ length: KEYS }, (_, number) => `key ${number}`);

  // The first value of a key is its number, the second twice that.
  await Promise.all(keys.map((key, number) => map.put(key, number)));
  const replaced = await Promise.all(keys.map((key, number) => map.put(key, 2 * number)));
  const values = await Promise.all(keys.map((key) => map.get(key)));
  console.log(`Replaced: ${sum(replaced)}`);
  console.log(`Values: ${sum(values)}`);

  const sizes = await map.sizes();
  console.log(`Keys: ${sizes.join(' + ')} = ${sum(sizes)}`);
  console.log(`Another key: ${String(await map.get('another'))}`);
  await system.stop();
}
