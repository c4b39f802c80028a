/**
 * Typed calls of an actor's own methods: `ref.proxy<Counter>().add(1)`.
 *
 * A call is a message like any other: it waits in the mailbox for its turn,
 * and a full mailbox refuses it. What the method throws goes to its caller and
 * is no crash (rule A11).
 */
import { MillraceError, shown } from '../errors.js';
import { type Handler, HANDLER_METHODS } from '../loop/handler.js';

type Method = (...args: never[]) => unknown;

/** The methods of `A`, as its callers see them: each returns a promise. */
export type Remote<A> = {
  readonly [K in keyof A as K extends keyof Handler
    ? never
    : A[K] extends Method
      ? K
      : never]: A[K] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;
};

/** `call` is asked with the name of a method and its arguments. */
export function createProxy<A>(call: (method: string, args: unknown[]) => Promise<unknown>) {
  const methods = new Map<string, (...args: unknown[]) => Promise<unknown>>();
  return new Proxy(Object.freeze(Object.create(null)) as object, {
    get(_, name) {
      // Whatever has a `then` is awaited by being called.
      if (typeof name === 'symbol' || name === 'then') return undefined;
      let method = methods.get(name);
      if (method === undefined) {
        method = (...args) => call(name, args);
        methods.set(name, method);
      }
      return method;
    },
  }) as Remote<A>;
}

/** The method of that name, if it is one for callers. */
export function publicMethod(handler: object, name: string): (...args: unknown[]) => unknown {
  const isCallback = (HANDLER_METHODS as readonly string[]).includes(name);
  const isInherited = name in Object.prototype;
  if (!isCallback && !isInherited && !name.startsWith('_')) {
    const method = (handler as Record<string, unknown>)[name];
    if (typeof method === 'function') return method as (...args: unknown[]) => unknown;
  }
  throw new MillraceError(
    'ERR_NO_SUCH_METHOD',
    `${handler.constructor.name} has no public method ${shown(name)}`,
  );
}
