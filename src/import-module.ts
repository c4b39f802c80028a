/** Importing a module of the user's by its URL, with an error for each way in which that fails. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MillraceError, shown } from './errors.js';

export type Exports = Readonly<Record<string, unknown>>;

/** @throws (rejects) MillraceError ERR_MODULE_NOT_FOUND, ERR_MODULE_FAILED with the cause */
export async function importModule(url: URL): Promise<Exports> {
  try {
    return await import(url.href);
  } catch (cause) {
    // A module that is there may miss one of its own imports: another mistake, elsewhere.
    if (isMissing(url, cause)) {
      const message = `there is no module ${url.href}; resolve it against import.meta.url`;
      throw new MillraceError('ERR_MODULE_NOT_FOUND', message, { cause });
    }
    const message = `importing ${url.href} failed: ${messageOf(cause)}`;
    throw new MillraceError('ERR_MODULE_FAILED', message, { cause });
  }
}

export function namesOf(exported: Exports): string {
  const names = Object.keys(exported);
  return names.length === 0 ? 'nothing' : names.join(', ');
}

function isMissing(url: URL, cause: unknown): boolean {
  if (url.protocol === 'file:') return !existsSync(fileURLToPath(url));
  return (cause as NodeJS.ErrnoException | null)?.code === 'ERR_MODULE_NOT_FOUND';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : shown(error);
}
