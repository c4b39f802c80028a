/** The classes of errors that arrive as themselves (rule A8), by the byte that stands for them. */
import { MillraceError } from '../../errors.js';

interface ErrorClass {
  readonly prototype: object;
  readonly name: string;
  /** For a DOMException the name counts; the others get their fields afterwards. */
  make(message: string, name: string): Error;
}

export const ERROR_CLASSES: readonly ErrorClass[] = [
  { prototype: Error.prototype, name: 'Error', make: (message) => new Error(message) },
  { prototype: EvalError.prototype, name: 'EvalError', make: (message) => new EvalError(message) },
  {
    prototype: RangeError.prototype,
    name: 'RangeError',
    make: (message) => new RangeError(message),
  },
  {
    prototype: ReferenceError.prototype,
    name: 'ReferenceError',
    make: (message) => new ReferenceError(message),
  },
  {
    prototype: SyntaxError.prototype,
    name: 'SyntaxError',
    make: (message) => new SyntaxError(message),
  },
  { prototype: TypeError.prototype, name: 'TypeError', make: (message) => new TypeError(message) },
  { prototype: URIError.prototype, name: 'URIError', make: (message) => new URIError(message) },
  {
    prototype: AggregateError.prototype,
    name: 'AggregateError',
    make: (message) => new AggregateError([], message),
  },
  {
    prototype: MillraceError.prototype,
    name: 'MillraceError',
    make: (message) => new MillraceError('ERR_CHANNEL_BROKEN', message),
  },
  {
    prototype: DOMException.prototype,
    name: 'DOMException',
    make: (message, name) => new DOMException(message, name),
  },
];

/** The nearest class in the chain of prototypes; Error if there is none. */
export function errorClassOf(error: object): number {
  for (let at: object | null = error; at !== null; at = Object.getPrototypeOf(at)) {
    const index = ERROR_CLASSES.findIndex(({ prototype }) => prototype === at);
    if (index >= 0) return index;
  }
  return 0;
}
