import { illegalConstructor, invalidType } from '../errors.js';
import { requireOptions } from '../validate.js';
import { crossing, type MessageTarget, type SenderHandle } from './crossing.js';

/** Options of `sender.sendAsync()`. */
export interface SendOptions {
  /** Gives up waiting; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** The sending end of a loop's channel. */
export class Sender<M = unknown> {
  readonly #target: MessageTarget<M>;

  /** @internal Senders come from `loop.channel()` and `Sender.from()`. */
  constructor(target: MessageTarget<M>) {
    if (!isTarget(target)) throw illegalConstructor('Sender', 'loop.channel() or Sender.from()');
    this.#target = target;
  }

  /**
   * A sender to the loop that the handle comes from, on the thread that calls
   * this. Messages arrive as a structured clone of them would, and those of
   * one thread in the order in which it sent them, through however many
   * senders. On the loop's own thread it is as good as `loop.channel()`. The
   * loop may have been closed meanwhile: then the sender is closed too.
   *
   * @typeParam M messages; nothing checks that they are those of the loop
   * @param handle what {@link transfer} returned, of the same process
   * @throws TypeError ERR_INVALID_ARG_TYPE for what is no handle
   */
  static from<M = unknown>(handle: SenderHandle): Sender<M> {
    if (!isHandle(handle)) throw invalidType('handle', 'what sender.transfer() returned', handle);
    return new Sender<M>(crossing().connect<M>(handle));
  }

  /** Whether the loop was closed. */
  get closed(): boolean {
    return this.#target.closed;
  }

  /**
   * Queues a message for `notify()`. It arrives in a later tick, after all
   * that this sender sent before. Returns false if the channel is full or
   * closed: the message was not taken.
   *
   * @throws DataCloneError, at once, for a message to another thread that
   * cannot be cloned; then what a getter of it throws
   */
  send(message: M): boolean {
    return this.#target.offer(message);
  }

  /**
   * As {@link send}, but waits for room. Waiting senders are served in the
   * order in which they came, and no `send()` overtakes them.
   *
   * @throws (rejects) MillraceError ERR_CHANNEL_CLOSED; the abort reason;
   * TypeError ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_OPTION
   */
  async sendAsync(message: M, options?: SendOptions): Promise<void> {
    const { signal } = requireOptions('options', options, ['signal']);
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw invalidType('options.signal', 'an AbortSignal', signal);
    }
    await this.#target.offerAsync(message, signal);
  }

  /** Makes the loop take a tick, with no message. Does nothing once it is closed. */
  wake(): void {
    this.#target.wake();
  }

  /**
   * A handle for {@link from} on other threads of this process. It is shared
   * memory and plain values: pass it by `postMessage()` or as `workerData`, to
   * as many threads as you like. Once there is one, the loop looks for
   * messages of other threads in every tick, and its capacity is shared by
   * all of them.
   *
   * @throws MillraceError ERR_CHANNEL_CLOSED
   */
  transfer(): SenderHandle {
    return this.#target.transfer();
  }

  /** @internal What travels where a sender is part of a message. */
  get transferHandle(): SenderHandle {
    return this.transfer();
  }
}

/** Users have none: a sender that works on something else would fail later. */
function isTarget(value: unknown): boolean {
  const { offer, offerAsync } = (value ?? {}) as Partial<MessageTarget<unknown>>;
  return typeof offer === 'function' && typeof offerAsync === 'function';
}

function isHandle(value: unknown): boolean {
  const { millrace, loop, control } = (value ?? {}) as Partial<SenderHandle>;
  return millrace === 'sender' && typeof loop === 'string' && control instanceof SharedArrayBuffer;
}
