/** Methods to try the server with: those of the specification's examples. */
import { type Method, method, type Methods } from './methods.js';
import { invalidParams } from './protocol.js';

/** Takes numbers only. */
function arithmetic(parameters: readonly string[], run: (...numbers: number[]) => number): Method {
  return method(parameters, (...args) => {
    if (!args.every(Number.isFinite)) throw invalidParams('expected numbers');
    return run(...(args as number[]));
  });
}

export const calculator: Methods = {
  subtract: arithmetic(['minuend', 'subtrahend'], (minuend, subtrahend) => minuend - subtrahend),
  sum: arithmetic(['a', 'b', 'c'], (a, b, c) => a + b + c),
  get_data: method([], () => ['hello', 5]),
  update: method(['a', 'b', 'c', 'd', 'e'], () => {}),
  notify_hello: method(['time'], () => {}),
};
