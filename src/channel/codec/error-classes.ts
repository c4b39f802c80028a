/** The classes of errors that arrive as themselves (rule A8), by the byte that stands for them. */
import { MillraceError } from '../../errors.js';

interface ErrorClass {
  readonly prototype: object;
  readonly name: string;
  /** For a DOMException both arguments count; the others get their fields afterwards. */
  make(message: string, name: string): Error;
}

export const ERROR_CLASSES: readonly ErrorClass[] = [
  { prototype: Error.prototype, name: 'Error', make: () => new Error() },
  { prototype: EvalError.prototype, name: 'EvalError', make: () => new EvalError() },
  { prototype: RangeError.prototype, name: 'RangeError', make: () => new RangeError() },
  { prototype: ReferenceError.prototype, name: 'ReferenceError', make: () => new ReferenceError() },
  { prototype: SyntaxError.prototype, name: 'SyntaxError', make: () => new SyntaxError() },
  { prototype: TypeError.prototype, name: 'TypeError', make: () => new TypeError() },
  { prototype: URIError.prototype, name: 'URIError', make: () => new URIError() },
  {
    prototype: AggregateError.prototype,
    name: 'AggregateError',
    make: () => new AggregateError([]),
  },
  {
    prototype: MillraceError.prototype,
    name: 'MillraceError',
    make: () => new MillraceError('ERR_CHANNEL_BROKEN', ''),
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
