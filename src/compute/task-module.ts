/** Typed calls of a module's functions: `pool.module<typeof import('./tasks.js')>(url)`. */
import type { TaskOptions } from './options.js';

type TaskFunction = (...args: never[]) => unknown;

/** The functions of `T`, as tasks: each returns a promise. */
export type TaskModule<T> = {
  readonly [K in keyof T as K extends 'with' | 'then'
    ? never
    : T[K] extends TaskFunction
      ? K
      : never]: T[K] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;
} & {
  /** The same functions, run with these options in place of those before. */
  with(options: TaskOptions): TaskModule<T>;
};

/**
 * `call` is asked with the name of a function and its arguments, `withOptions`
 * with the options of another module.
 */
export function createTaskModule<T>(
  call: (name: string, args: unknown[]) => Promise<unknown>,
  withOptions: (options: TaskOptions) => TaskModule<T>,
): TaskModule<T> {
  const functions = new Map<string, (...args: unknown[]) => Promise<unknown>>();
  const target = Object.freeze(Object.create(null) as object);
  return new Proxy(target, {
    get(_, name) {
      // Whatever has a `then` is awaited by being called.
      if (typeof name === 'symbol' || name === 'then') return undefined;
      if (name === 'with') return withOptions;
      let run = functions.get(name);
      if (run === undefined) {
        run = (...args) => call(name, args);
        functions.set(name, run);
      }
      return run;
    },
  }) as TaskModule<T>;
}
