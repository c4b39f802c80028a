/**
 * The bytes of a frame.
 *
 *   frame   = [ ENVELOPE header ] content             see envelopes.ts
 *   content = [ PLAIN_FRAME | FULL_FRAME ] value      the mark only before objects
 *   value   = tag, then what the tag says
 *
 *   00..7f   the whole numbers 0 to 127
 *   80..9f   a string of 0 to 31 characters, a byte each (latin1)
 *   a0..bf   an object of shape 0 to 31; its values follow, in the order of the keys
 *   c0..ee   see below
 *   f0..ff   begin no frame and no value: the ring marks with them
 *
 * `count` is a varint: seven bits a byte, the low ones first.
 *
 * Objects are numbered in the order in which they begin. A frame in which one
 * is referred to (or lacks something where its neighbours have a value) is a
 * full frame: its objects are made before their contents, and are kept in a
 * table. That takes longer, so the encoder goes back to the mark of the frame
 * and says so only when it is the case.
 */

export const SMALL_NUMBERS = 0x80;
export const SHORT_TEXT = 0x80;
export const SHORT_TEXT_MAX = 31;
export const SHAPED = 0xa0;
export const SHAPED_MAX = 31;
/** The first of the tags that have a meaning of their own. */
export const TAGS = 0xc0;

export const UNDEFINED = 0xc0;
export const NULL = 0xc1;
export const TRUE = 0xc2;
export const FALSE = 0xc3;
/** Two bytes, signed. All numbers are little-endian. */
export const INT16 = 0xc4;
/** Four bytes, signed. */
export const INT32 = 0xc5;
export const DOUBLE = 0xc6;
/** Eight bytes, signed. */
export const BIGINT64 = 0xc7;
/** One byte, 1 for negative; then the magnitude in hexadecimal, as a text. */
export const BIGINT = 0xc8;
/** count, a byte per character. */
export const LATIN1 = 0xc9;
/** count of characters, two bytes each. */
export const UCS2 = 0xca;
/** One byte: the number of a text that both sides remember. */
export const KNOWN_TEXT = 0xcb;
/** One byte, a text: from now on that text has this number. */
export const DEFINE_TEXT = 0xcc;
/** count: the number of the shape; its values. */
export const LARGE_SHAPED = 0xcd;
/** count: number, count: keys, the keys; then the values of an object of this new shape. */
export const DEFINE_SHAPE = 0xce;
/** count, then so many keys, each with its value. */
export const OBJECT = 0xcf;
/** count, then so many values. */
export const ARRAY = 0xd0;
/** As ARRAY, then as OBJECT: the properties that are no elements. */
export const NAMED_ARRAY = 0xd1;
/** count: so many elements are missing here; 1 for a missing property. Full frames only. */
export const MISSING = 0xd2;
/** count, then so many keys and values. */
export const MAP = 0xd3;
/** count, then so many values. */
export const SET = 0xd4;
/** The milliseconds, as a double. */
export const DATE = 0xd5;
/** The source and the flags, as texts. */
export const REGEXP = 0xd6;
/** The primitive inside. */
export const BOXED = 0xd7;
/**
 * count; one byte: a gap of so many bytes; bytes. A Uint8Array on a buffer of
 * its own: two objects, it and its buffer.
 */
export const BYTES = 0xd8;
/** count, bytes: an ArrayBuffer. */
export const BUFFER = 0xd9;
/** One byte: the kind; count: offset, count: length in elements; the buffer. */
export const VIEW = 0xda;
/** One byte: the class; the fields (key, one byte for enumerable, value); END. */
export const ERROR = 0xdb;
export const END = 0xdc;
/** One byte: the carrier's number; the values of its fields. */
export const CARRIER = 0xdd;
/** count: the index among what travels beside the frame. */
export const FOREIGN = 0xde;
/** count: the number of an object that has begun before. Full frames only. */
export const REFERENCE = 0xdf;

export const PLAIN_FRAME = 0xe0;
export const FULL_FRAME = 0xe1;
export const ENVELOPE = 0xe2;
