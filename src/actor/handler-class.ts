/** From a module to the Handler class in it, with an error for each way in which there is none. */
import { invalidType, invalidValue, MillraceError, shown } from '../errors.js';
import { type Exports, importModule, namesOf } from '../import-module.js';
import { Handler } from '../loop/handler.js';
import type { ResolvedSpawnOptions } from './options.js';

/** A class of handlers that can be constructed. */
export type HandlerClass<M = unknown> = new (...args: never[]) => Handler<M, never>;

export function isHandlerClass(value: unknown): value is HandlerClass {
  return typeof value === 'function' && value.prototype instanceof Handler;
}

/** What `spawn()` takes: a class, or the URL of a module. */
export function requireSpawnable(value: unknown): HandlerClass | URL {
  if (value instanceof URL || isHandlerClass(value)) return value;
  throw invalidType('module', 'a URL, or a class that extends Handler', value);
}

/** A class cannot leave its thread: its actors run on the shard of whoever spawns them. */
export function requireOwnShard(options: ResolvedSpawnOptions, own: number): void {
  if (options.export !== null) {
    throw invalidValue('options.export', 'left out where a class is given', options.export);
  }
  if (options.shard !== 'auto' && options.shard !== own) {
    const expected = `${own}, this thread's own shard, where a class is given`;
    throw invalidValue('options.shard', expected, options.shard);
  }
}

/**
 * Imports the module; the class is the export of that name, or the only
 * Handler class that it exports.
 */
export async function importHandlerClass(
  url: URL,
  exportName: string | null,
): Promise<HandlerClass> {
  const exported = await importModule(url);
  return exportName === null
    ? onlyHandlerClass(url, exported)
    : namedHandlerClass(url, exported, exportName);
}

function onlyHandlerClass(url: URL, exported: Exports): HandlerClass {
  const found = Object.entries(exported).filter(([, value]) => isHandlerClass(value));
  // One class under two names, as a default export often is, is one class.
  const classes = new Set(found.map(([, value]) => value as HandlerClass));
  const [first] = classes as Iterable<HandlerClass>;
  if (first === undefined) {
    throw new MillraceError(
      'ERR_NO_HANDLER_CLASS',
      `${url.href} exports no class that extends Handler; it exports ${namesOf(exported)}`,
    );
  }
  if (classes.size > 1) {
    const names = found.map(([name]) => name).join(', ');
    throw new MillraceError(
      'ERR_AMBIGUOUS_EXPORT',
      `${url.href} exports several Handler classes: ${names}; name one with the option export`,
    );
  }
  return first;
}

function namedHandlerClass(url: URL, exported: Exports, name: string): HandlerClass {
  if (!Object.hasOwn(exported, name)) {
    throw new MillraceError(
      'ERR_NO_HANDLER_CLASS',
      `${url.href} has no export "${name}"; it exports ${namesOf(exported)}`,
    );
  }
  const value = exported[name];
  if (isHandlerClass(value)) return value;
  throw new MillraceError(
    'ERR_NOT_A_HANDLER',
    `the export "${name}" of ${url.href} is no class that extends Handler: ${shown(value)}`,
  );
}
