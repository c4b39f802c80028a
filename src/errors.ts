/**
 * Every error that Millrace raises, in one place.
 *
 * Three families, told apart by class and by a stable `code`:
 * - wrong arguments: TypeError and RangeError, thrown at once;
 * - wrong moments: {@link MillraceError} (a closed loop, a full timer wheel);
 * - what the system refuses: Error in the shape of Node's own system errors.
 *
 * A message says what happened, with the offending value, and then what to do.
 */
import { getSystemErrorMap, inspect } from 'node:util';

/** Characters of an offending value in a message. */
const SHOWN_MAX = 160;

/** Every code, with the one sentence that `docs/errors.md` repeats. */
export const ERROR_CODES = Object.freeze({
  ERR_INVALID_ARG_TYPE: 'An argument has the wrong type.',
  ERR_INVALID_ARG_VALUE: 'An argument has the right type and a value that makes no sense.',
  ERR_OUT_OF_RANGE: 'A number is outside its range.',
  ERR_UNKNOWN_OPTION: 'An options object has a key that does not exist.',
  ERR_INVALID_ADDRESS: 'An address cannot be understood.',
  ERR_UNKNOWN_SIGNAL: 'No signal has this name.',
  ERR_ILLEGAL_CONSTRUCTOR: 'Objects of this class are not made with new.',
  ERR_SOURCE_REGISTERED: 'The source is registered already, here or with another loop.',
  ERR_SOURCE_NOT_REGISTERED: 'The source is not registered here.',
  ERR_SOURCE_CLOSED: 'The source was closed, or given away.',
  ERR_HANDLE_SPENT: 'No source is in flight under the handle.',
  ERR_DRIVER_MISMATCH: 'The source belongs to another driver than the loop.',
  ERR_LOOP_CLOSED: 'The loop was closed.',
  ERR_LOOP_RUNNING: 'The loop is running already.',
  ERR_POLL_CLOSED: 'The poll was closed.',
  ERR_TIMER_OVERFLOW: 'As many timeouts are pending as timerCapacity allows.',
  ERR_CHANNEL_CLOSED: 'The receiving loop of the channel was closed.',
  ERR_CHANNEL_BROKEN: 'The memory of a channel holds what no sender wrote.',
  ERR_DOUBLE_RELEASE: 'An object was released to its pool twice.',
  ERR_FOREIGN_RELEASE: 'An object was released to a pool that it does not come from.',
  ERR_FRAME_TOO_LARGE: 'A frame or a line is longer than the limit that was set.',
  ERR_FRAME_INCOMPLETE: 'A stream ended inside a frame.',
  ERR_DECODER_BUSY: 'A decoder was fed from within its own callback.',
  ERR_SYSTEM_STOPPED: 'The actor system was stopped.',
  ERR_SHARD_EXITED: 'The shard of the actor has ended.',
  ERR_NOT_TRANSFERABLE: 'The reference cannot leave its thread.',
  ERR_ACTOR_STOPPED: 'The actor has stopped, or was restarted before it had answered.',
  ERR_NAME_TAKEN: 'Another actor of the system has this name.',
  ERR_MAILBOX_FULL: 'The mailbox of the actor is full; the message was not taken.',
  ERR_ASK_TIMEOUT: 'The actor did not answer in time.',
  ERR_NO_SUCH_METHOD: 'The handler has no public method of this name.',
  ERR_NOT_IN_ACTOR:
    'The operation belongs to the owner of the loop or pool, which an actor shares.',
  ERR_MODULE_NOT_FOUND: 'There is no module at this URL.',
  ERR_MODULE_FAILED: 'Importing the module failed.',
  ERR_NO_HANDLER_CLASS: 'The module does not export what was asked for, or no Handler class.',
  ERR_AMBIGUOUS_EXPORT: 'The module exports several Handler classes, and none was named.',
  ERR_NOT_A_HANDLER: 'The export of this name is no class that extends Handler.',
  ERR_QUEUE_FULL: 'As many tasks wait as queueCapacity allows; the task was not taken.',
  ERR_TASK_TIMEOUT: 'The task was not done in time.',
  ERR_POOL_CLOSED: 'The compute pool was closed.',
  ERR_POOL_UNAVAILABLE: 'No thread of the compute pool can be started.',
  ERR_NO_SUCH_FUNCTION: 'The module exports no function of this name.',
  ERR_NOT_IN_TASK: 'The call belongs into a task of a compute pool.',
  ERR_ADDON_UNAVAILABLE: 'The native addon could not be loaded.',
  ERR_CALL_TIMEOUT: 'A call to another thread was not answered in time.',
  ERR_LINK_CLOSED: 'The link to another thread was closed, on either side.',
  ERR_UNKNOWN_METHOD: 'The other thread serves no method of this name.',
  ERR_THREAD_EXITED: 'The thread has ended.',
  ERR_THREAD_START_TIMEOUT: 'A thread was not up in time.',
  ERR_MAX_CONNECTIONS: 'A server has as many connections as maxConnections allows.',
  ERR_SERVER_LISTENING: 'The server listens already.',
  ERR_SERVER_ON_SHARDS: 'The connections of the server are served on the shards.',
  ERR_SERVER_STOPPED: 'The server was stopped.',
  ERR_CLIENT_CLOSED: 'The client was closed.',
} as const);

/** A code of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** An operation came at a moment at which it is not possible. */
export class MillraceError extends Error {
  /** Stable, unlike the message. */
  readonly code: ErrorCode;

  /** @param options with the `cause`, if there is one */
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /** `'MillraceError'`. */
  override get name(): string {
    return 'MillraceError';
  }
}

/** An error of the operating system, in Node's own shape. */
export interface SystemError extends Error {
  /** `'EADDRINUSE'` and the like. */
  code: string;
  /** Negative, as in Node. */
  errno: number;
  /** The call that failed: `'bind'` and the like. */
  syscall: string;
  /** An IP address, or the path of a Unix socket, where there is one. */
  address?: string;
  /** Where there is one. */
  port?: number;
}

export interface Endpoint {
  address: string;
  port?: number;
}

/** The system error for a result of `-errno`. */
export function systemError(result: number, syscall: string, endpoint?: Endpoint): SystemError {
  const [code, meaning] = getSystemErrorMap().get(result) ?? [String(result), 'unknown error'];
  const error = new Error(`${syscall} ${code}: ${meaning}${describe(endpoint)}`) as SystemError;
  error.errno = result;
  error.code = code;
  error.syscall = syscall;
  if (endpoint !== undefined) {
    error.address = endpoint.address;
    if (endpoint.port !== undefined) error.port = endpoint.port;
  }
  return error;
}

function describe(endpoint: Endpoint | undefined): string {
  if (endpoint === undefined) return '';
  // Abstract names begin with a null byte, for which tools of Linux write an @.
  if (endpoint.port === undefined) return ` ${endpoint.address.replaceAll('\0', '@')}`;
  return ` ${joinEndpoint(endpoint)}`;
}

function joinEndpoint({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

type Coded<E extends Error> = E & { code: ErrorCode };

function coded<E extends Error>(error: E, code: ErrorCode): Coded<E> {
  return Object.assign(error, { code });
}

/** `expected` completes the sentence "must be ...". */
export function invalidType(name: string, expected: string, value: unknown): Coded<TypeError> {
  return coded(
    new TypeError(`${name} must be ${expected}; received ${shown(value)}`),
    'ERR_INVALID_ARG_TYPE',
  );
}

/** `expected` completes the sentence "must be ...". */
export function invalidValue(name: string, expected: string, value: unknown): Coded<TypeError> {
  return coded(
    new TypeError(`${name} must be ${expected}; received ${shown(value)}`),
    'ERR_INVALID_ARG_VALUE',
  );
}

/** `expected` completes the sentence "must be ...". */
export function outOfRange(name: string, expected: string, value: unknown): Coded<RangeError> {
  return coded(
    new RangeError(`${name} must be ${expected}; received ${shown(value)}`),
    'ERR_OUT_OF_RANGE',
  );
}

/** `origin` completes the sentence "comes from ...". */
export function illegalConstructor(className: string, origin: string): Coded<TypeError> {
  return typeErrorWith('ERR_ILLEGAL_CONSTRUCTOR', `a ${className} comes from ${origin}, not new`);
}

export function typeErrorWith(code: ErrorCode, message: string): Coded<TypeError> {
  return coded(new TypeError(message), code);
}

export function rangeErrorWith(code: ErrorCode, message: string): Coded<RangeError> {
  return coded(new RangeError(message), code);
}

/** The offending value, short enough for one line. */
export function shown(value: unknown): string {
  const brief = { depth: 0, maxArrayLength: 8, maxStringLength: 64 };
  const text = inspect(value, { ...brief, compact: true, breakLength: Infinity });
  // An error brings its stack with it, and an object may have any number of keys.
  const [line = ''] = text.split('\n', 1);
  return line.length > SHOWN_MAX ? `${line.slice(0, SHOWN_MAX)}...` : line;
}
