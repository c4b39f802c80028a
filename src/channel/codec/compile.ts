/** Functions made from strings: what the codec compiles for shapes and for short texts. */

/** False under `--disallow-code-generation-from-strings`; other ways do the same there. */
export const mayCompile = isCodeAllowed();

export function compile(
  parameters: readonly string[],
  body: string,
): (...args: unknown[]) => unknown {
  // oxlint-disable-next-line no-new-func, no-implied-eval -- no message can bring code with it
  return new Function(...parameters, body) as (...args: unknown[]) => unknown;
}

function isCodeAllowed(): boolean {
  try {
    compile([], '');
    return true;
  } catch {
    return false;
  }
}
