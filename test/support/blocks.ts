/** Messages of any size that show whether they arrived whole. */
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import type { Random } from './random.js';

export interface Block {
  /** The thread that sent it, and its number among those of that thread. */
  sender: number;
  index: number;
  bytes: Uint8Array;
  sum: string;
}

/** Sizes from 1 byte to 64 KiB; most of them small. */
export function blockOf(sender: number, index: number, numbers: Random): Block {
  const bytes = new Uint8Array(Math.ceil(2 ** (16 * numbers.next())));
  bytes.fill(index * 31 + sender);
  bytes[bytes.length >> 1] = index;
  return { sender, index, bytes, sum: sumOf(sender, index, bytes) };
}

/** Checks that blocks are whole, and in the order in which each thread sent them. */
export class BlockCheck {
  /** By sender, the number of the next. */
  readonly next = new Map<number, number>();
  count = 0;

  add({ sender, index, bytes, sum }: Block): void {
    expect(sum).to.equal(sumOf(sender, index, bytes));
    expect(index, `of sender ${sender}`).to.equal(this.next.get(sender) ?? 0);
    this.next.set(sender, index + 1);
    this.count += 1;
  }
}

function sumOf(sender: number, index: number, bytes: Uint8Array): string {
  return createHash('md5').update(`${sender} ${index} `).update(bytes).digest('base64');
}
