/** In the libraries of TypeScript from ES2024 on. */
interface AsyncAtomics {
  waitAsync(
    words: Int32Array<SharedArrayBuffer>,
    index: number,
    value: number,
    limitMs: number,
  ): { value: string | Promise<string> };
}

const atomics = Atomics as unknown as AsyncAtomics;

/**
 * Resolves when another thread notifies, at once if the word has another
 * value already, and with `'timed-out'` after `limitMs`. Does not keep the
 * thread alive.
 */
export async function waitAsync(
  words: Int32Array<SharedArrayBuffer>,
  index: number,
  value: number,
  limitMs = Infinity,
): Promise<string> {
  return atomics.waitAsync(words, index, value, limitMs).value;
}
