/** The bounds of the codec. Sender and receiver have the same ones. */

/** Remembered shapes of one encoder. Objects of further shapes carry their keys. */
export const SHAPES_MAX = 1024;

/** An object with more keys is a dictionary, and dictionaries rarely look alike. */
export const SHAPE_KEYS_MAX = 64;

/** Remembered texts of one encoder: a number of one byte. */
export const TEXTS_MAX = 256;

/** Longer texts are not remembered: names of kinds and states are shorter. */
export const TEXT_LENGTH_MAX = 32;

/**
 * Levels of nesting. structuredClone gives up at 1,000 to 2,000, wherever its
 * stack ends. A bound of our own is needed because the receiver's stack may be
 * the smaller one: a frame that was taken must be readable.
 */
export const DEPTH_MAX = 1000;

/** Compiling costs as much as a hundred objects: a shape has to show first that it stays. */
export const USES_BEFORE_CODE = 32;

/** In place of the end of a frame that does not fit. */
export const OVERFLOW = -1;
