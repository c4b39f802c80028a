/**
 * The one kind of value that a link gives to Comlink, and the transfer handler
 * for it.
 *
 * Comlink's table of handlers is one for all its users in a thread, and the
 * program that uses Millrace may be another. So the handlers that are there
 * stay as they are: ours claims nothing but parcels, and even what a call
 * throws travels as the content of one.
 *
 * The content is packed by the codec of messages, so errors in it arrive whole.
 */
import type { Transferable } from 'node:worker_threads';
import { transferHandlers } from 'comlink';
import { type Packed, pack, unpack } from '../channel/codec/packed.js';

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

/** A value on its way, and what is posted for it. */
type PackedParcel = Packed & { readonly isThrown: boolean };

export class Parcel {
  readonly content: unknown;
  readonly isThrown: boolean;
  /** Null for one that is not on its way to another thread. */
  readonly packed: PackedParcel | null;
  readonly transferList: readonly Transferable[];

  private constructor(
    content: unknown,
    isThrown: boolean,
    { packed = null, list = [] }: { packed?: Packed | null; list?: readonly Transferable[] } = {},
  ) {
    this.content = content;
    this.isThrown = isThrown;
    this.packed = packed && { ...packed, isThrown };
    this.transferList = list;
  }

  /** Throws for what cannot be cloned, as {@link ofResult} does. */
  static ofArguments(args: readonly unknown[]): Parcel {
    const list = args.flatMap(transferListOf);
    return new Parcel(args, false, { packed: pack(args, list), list });
  }

  static ofResult(result: unknown): Parcel {
    const list = transferListOf(result);
    return new Parcel(result, false, { packed: pack(result, list), list });
  }

  /** Of what cannot be cloned, the error of that attempt. */
  static ofThrown(error: unknown): Parcel {
    try {
      return new Parcel(error, true, { packed: pack(error) });
    } catch (refusal) {
      return new Parcel(refusal, true, { packed: pack(refusal) });
    }
  }

  /** For a caller on this thread. */
  static ofThrownHere(error: unknown): Parcel {
    return new Parcel(error, true);
  }

  static unpacked(packed: PackedParcel): Parcel {
    return new Parcel(unpack(packed), packed.isThrown);
  }

  /** The result, or the error thrown. */
  open(): unknown {
    if (this.isThrown) throw this.content;
    return this.content;
  }
}

/** A reply in Comlink's protocol, for one that Comlink cannot make itself. */
export function thrownReply(id: string, error: unknown): object {
  return { id, type: 'HANDLER', name: HANDLER_NAME, value: Parcel.ofThrown(error).packed };
}

transferHandlers.set(HANDLER_NAME, {
  canHandle: (value): value is Parcel => value instanceof Parcel,
  serialize: (parcel: Parcel) => [parcel.packed, [...parcel.transferList] as never[]],
  deserialize: (packed: PackedParcel) => Parcel.unpacked(packed),
});
