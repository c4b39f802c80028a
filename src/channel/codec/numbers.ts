/** Numbers. Apart from the rest, because a message that is a number needs nothing else. */
import { OVERFLOW } from './limits.js';
import * as tag from './tags.js';

/** Where a number is written to. */
interface Target {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Returns where the number ends, or OVERFLOW. */
export function writeNumber(target: Target, value: number, at: number, limit: number): number {
  const { bytes } = target;
  // A negative zero is whole as well, and must not lose its sign.
  if ((value | 0) !== value || (value === 0 && 1 / value < 0)) {
    if (at + 9 > limit) return OVERFLOW;
    bytes[at] = tag.DOUBLE;
    target.view.setFloat64(at + 1, value, true);
    return at + 9;
  }
  if (value >= 0 && value < tag.SMALL_NUMBERS) {
    if (at >= limit) return OVERFLOW;
    bytes[at] = value;
    return at + 1;
  }
  if (value >= -0x8000 && value < 0x8000) {
    if (at + 3 > limit) return OVERFLOW;
    bytes[at] = tag.INT16;
    bytes[at + 1] = value;
    bytes[at + 2] = value >> 8;
    return at + 3;
  }
  if (at + 5 > limit) return OVERFLOW;
  bytes[at] = tag.INT32;
  target.view.setInt32(at + 1, value, true);
  return at + 5;
}
