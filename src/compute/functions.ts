/** The functions that a thread has been told of: a number, and then what is found under it. */
import { MillraceError, shown } from '../errors.js';
import { importModule, namesOf } from '../import-module.js';
import type { Definition } from './messages.js';

export type TaskFunction = (...args: unknown[]) => unknown;

interface Entry {
  readonly url: URL;
  readonly name: string;
  /** Null until it was needed for the first time. */
  found: TaskFunction | null;
}

export class Functions {
  readonly #entries = new Map<number, Entry>();

  define({ target, href, name }: Definition): void {
    this.#entries.set(target, { url: new URL(href), name, found: null });
  }

  /** The function, if it has been found before. */
  known(target: number): TaskFunction | null {
    return this.#entry(target).found;
  }

  /**
   * Imports the module if need be. A failure is not kept: the file may be
   * there the next time.
   *
   * @throws (rejects) MillraceError ERR_MODULE_NOT_FOUND, ERR_MODULE_FAILED,
   * ERR_NO_SUCH_FUNCTION
   */
  async find(target: number): Promise<TaskFunction> {
    const entry = this.#entry(target);
    const { url, name } = entry;
    const exported = await importModule(url);
    const value = Object.hasOwn(exported, name) ? exported[name] : undefined;
    if (typeof value !== 'function') {
      const what = Object.hasOwn(exported, name)
        ? `the export "${name}" of ${url.href} is no function: ${shown(value)}`
        : `${url.href} has no export "${name}"; it exports ${namesOf(exported)}`;
      throw new MillraceError('ERR_NO_SUCH_FUNCTION', what);
    }
    entry.found = value as TaskFunction;
    return entry.found;
  }

  #entry(target: number): Entry {
    const entry = this.#entries.get(target);
    if (entry === undefined) throw new Error(`function ${target} was never defined`);
    return entry;
  }
}
