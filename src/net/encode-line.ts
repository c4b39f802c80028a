import { invalidType, invalidValue } from '../errors.js';

/**
 * A line as bytes, UTF-8, with LF behind it.
 *
 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE for a text with
 * a CR or LF in it, which would be two lines to a peer
 */
export function encodeLine(text: string): Uint8Array {
  if (typeof text !== 'string') throw invalidType('text', 'a string', text);
  if (/[\r\n]/.test(text)) throw invalidValue('text', 'a single line, without CR or LF', text);
  return new TextEncoder().encode(`${text}\n`);
}
