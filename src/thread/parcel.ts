/**
 * The one kind of value that a link gives to Comlink, and the transfer handler
 * for it.
 *
 * Comlink's table of handlers is one for all its users in a thread, and the
 * program that uses Millrace may be another. So the handlers that are there
 * stay as they are: ours claims nothing but parcels, and even what a call
 * throws travels as the content of one.
 */
import type { Transferable } from 'node:worker_threads';
import { transferHandlers } from 'comlink';
import { type Packed, pack, unpack } from './whole-errors.js';

const HANDLER_NAME = 'millrace';

const transferLists = new WeakMap<object, readonly Transferable[]>();

/**
 * Says of an argument, of a result, or of a thread's data that those parts of
 * it move to the other thread instead of being copied. Returns the value.
 */
export function transfer<T extends object>(value: T, list: readonly Transferable[]): T {
  transferLists.set(value, list);
  return value;
}

export function transferListOf(value: unknown): readonly Transferable[] {
  if (typeof value !== 'object' || value === null) return [];
  return transferLists.get(value) ?? [];
}

export class Parcel {
  readonly content: unknown;
  readonly isThrown: boolean;
  readonly transferList: readonly Transferable[];

  private constructor(content: unknown, isThrown: boolean, list: readonly Transferable[]) {
    this.content = content;
    this.isThrown = isThrown;
    this.transferList = list;
  }

  static ofArguments(args: readonly unknown[]): Parcel {
    return new Parcel(args, false, args.flatMap(transferListOf));
  }

  static ofResult(result: unknown): Parcel {
    return new Parcel(result, false, transferListOf(result));
  }

  static ofThrown(error: unknown): Parcel {
    return new Parcel(error, true, []);
  }

  static unpacked(packed: Packed & { isThrown: boolean }): Parcel {
    return new Parcel(unpack(packed), packed.isThrown, []);
  }

  packed(): Packed & { isThrown: boolean } {
    return { ...pack(this.content), isThrown: this.isThrown };
  }

  /** The result, or the error thrown. */
  open(): unknown {
    if (this.isThrown) throw this.content;
    return this.content;
  }
}

/** A reply in Comlink's protocol, for one that Comlink cannot make itself. */
export function thrownReply(id: string, error: unknown): object {
  return { id, type: 'HANDLER', name: HANDLER_NAME, value: Parcel.ofThrown(error).packed() };
}

transferHandlers.set(HANDLER_NAME, {
  canHandle: (value): value is Parcel => value instanceof Parcel,
  serialize: (parcel: Parcel) => [parcel.packed(), [...parcel.transferList] as never[]],
  deserialize: (packed: ReturnType<Parcel['packed']>) => Parcel.unpacked(packed),
});
