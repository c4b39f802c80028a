import { illegalConstructor, invalidType } from '../errors.js';
import { requireOptions } from '../validate.js';
import { Inbox } from './inbox.js';

export interface SendOptions {
  /** Gives up waiting; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** The sending end of a loop's channel. */
export class Sender<M = unknown> {
  readonly #inbox: Inbox<M>;

  /** @internal Senders come from `loop.channel()`. */
  constructor(inbox: Inbox<M>) {
    if (!(inbox instanceof Inbox)) throw illegalConstructor('Sender', 'loop.channel()');
    this.#inbox = inbox;
  }

  /** Whether the loop was closed. */
  get closed(): boolean {
    return this.#inbox.closed;
  }

  /**
   * Queues a message for `notify()`. It arrives in a later tick, after all
   * that this sender sent before. Returns false if the channel is full or
   * closed: the message was not taken. Never throws.
   */
  send(message: M): boolean {
    return this.#inbox.offer(message);
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
    await this.#inbox.offerAsync(message, signal);
  }

  /** Makes the loop take a tick, with no message. Does nothing once it is closed. */
  wake(): void {
    this.#inbox.wake();
  }
}
