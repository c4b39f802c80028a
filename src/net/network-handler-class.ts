/** From a module to the class in it whose instances handle connections. */
import { MillraceError, shown } from '../errors.js';
import { type Exports, importModule, namesOf } from '../import-module.js';
import type { NetworkHandler } from './handlers.js';

export type NetworkHandlerClass = new (...args: unknown[]) => NetworkHandler;

/**
 * The export of that name, or the module's only class with an `onData()`.
 *
 * @throws (rejects) MillraceError ERR_MODULE_NOT_FOUND, ERR_MODULE_FAILED,
 * ERR_NO_HANDLER_CLASS, ERR_AMBIGUOUS_EXPORT, ERR_NOT_A_HANDLER
 */
export async function importNetworkHandlerClass(
  url: URL,
  exportName: string | null,
): Promise<NetworkHandlerClass> {
  const exported = await importModule(url);
  return exportName === null ? only(url, exported) : named(url, exported, exportName);
}

function isNetworkHandlerClass(value: unknown): value is NetworkHandlerClass {
  return typeof value === 'function' && typeof value.prototype?.onData === 'function';
}

function only(url: URL, exported: Exports): NetworkHandlerClass {
  const found = Object.entries(exported).filter(([, value]) => isNetworkHandlerClass(value));
  // One class under two names is one class.
  const classes = new Set(found.map(([, value]) => value as NetworkHandlerClass));
  const [first] = classes;
  if (first === undefined) {
    throw new MillraceError(
      'ERR_NO_HANDLER_CLASS',
      `${url.href} exports no class with an onData(); it exports ${namesOf(exported)}`,
    );
  }
  if (classes.size > 1) {
    const names = found.map(([name]) => name).join(', ');
    throw new MillraceError(
      'ERR_AMBIGUOUS_EXPORT',
      `${url.href} exports several classes with an onData(): ${names}; name one with the ` +
        'option export',
    );
  }
  return first;
}

function named(url: URL, exported: Exports, name: string): NetworkHandlerClass {
  if (!Object.hasOwn(exported, name)) {
    throw new MillraceError(
      'ERR_NO_HANDLER_CLASS',
      `${url.href} has no export "${name}"; it exports ${namesOf(exported)}`,
    );
  }
  const value = exported[name];
  if (isNetworkHandlerClass(value)) return value;
  throw new MillraceError(
    'ERR_NOT_A_HANDLER',
    `the export "${name}" of ${url.href} is no class with an onData(): ${shown(value)}`,
  );
}
