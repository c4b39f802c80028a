import { invalidType } from './errors.js';

/** What is sent: bytes, or text, which goes as UTF-8. */
export type Data = Uint8Array | string;

/** The bytes of what a user sends. */
export function bytesOf(data: Data): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (typeof data === 'string') return Buffer.from(data, 'utf8');
  throw invalidType('data', 'a Uint8Array or a string', data);
}
