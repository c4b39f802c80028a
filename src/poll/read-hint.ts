import { illegalConstructor } from '../errors.js';
import { Interest } from './interest.js';

/** Why `readable()` is called. A hint: `read()` tells the truth. Immutable and shared. */
export class ReadHint {
  /** There is something to read, be it the end of the stream. */
  readonly isData: boolean;
  /** The peer hung up; what it sent before is still there to be read. */
  readonly isHup: boolean;
  /** The source failed; `takeError()` or the next `read()` tells why. */
  readonly isError: boolean;

  static readonly #hints = Array.from({ length: Interest.ALL + 1 }, (_, bits) =>
    Object.freeze(new ReadHint(bits)),
  );

  private constructor(bits: number) {
    if (typeof bits !== 'number') throw illegalConstructor('ReadHint', 'the loop');
    this.isData = (bits & Interest.READABLE) !== 0;
    this.isHup = (bits & Interest.HUP) !== 0;
    this.isError = (bits & Interest.ERROR) !== 0;
  }

  /** @internal The hint in these flags of {@link Interest}. */
  static of(bits: number): ReadHint {
    return ReadHint.#hints[bits & Interest.ALL];
  }
}
