/** What the program of docs/how-to/from-mill-io.md has done on other threads. */
import { createHash } from 'node:crypto';

const ROUNDS = 1000;

export function digest(text: string): string {
  let value = text;
  for (let round = 0; round < ROUNDS; round++) {
    value = createHash('sha256').update(value).digest('hex');
  }
  return value;
}
