import { invalidType } from '../errors.js';
import type { Data } from './handlers.js';

/** The bytes of what a user sends. */
export function bytesOf(data: Data): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (typeof data === 'string') return Buffer.from(data, 'utf8');
  throw invalidType('data', 'a Uint8Array or a string', data);
}
