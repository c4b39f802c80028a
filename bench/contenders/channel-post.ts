/**
 * `postMessage()`: messages one by one, or in arrays of 256 that are handed
 * out one by one. A port takes whatever it is given, so the receiver tells in
 * shared memory how much it has, and the sender, which is never more ahead
 * than a loop's channel would let it be, looks again in its next turn.
 */
import { once } from 'node:events';
import type { MessagePort } from 'node:worker_threads';
import { type End, type Sink, startContender } from './channel-ends.js';
import { type Kind, messageAt, messagesOf } from './channel-protocol.js';

/** As `notifyCapacity` has it. */
const WAITING_MAX = 4096;
/** Messages between two notes of the receiver. */
const TOLD_EVERY = 64;

const batchSize = Number(process.argv[2]);

class PostEnd implements End {
  readonly #port: MessagePort;
  /** Messages that this end has received, and that the other has. */
  readonly #received: Int32Array;
  readonly #receivedThere: Int32Array;
  #sent = 0;
  #got = 0;
  #sink: Sink = () => {};

  constructor(port: MessagePort, received: Int32Array, receivedThere: Int32Array) {
    this.#port = port;
    this.#received = received;
    this.#receivedThere = receivedThere;
    if (batchSize === 1) port.on('message', (message) => this.#deliver(message));
    else {
      port.on('message', (batch: unknown[]) => {
        for (const message of batch) this.#deliver(message);
      });
    }
  }

  static async open(port: MessagePort): Promise<PostEnd> {
    const received = new Int32Array(new SharedArrayBuffer(4));
    port.postMessage(received);
    const [receivedThere] = await once(port, 'message');
    return new PostEnd(port, received, receivedThere);
  }

  deliverTo(sink: Sink): void {
    this.#sink = sink;
  }

  async stream(kind: Kind, count: number): Promise<void> {
    const messages = messagesOf(kind);
    for (let place = 0; place < count; place += batchSize) {
      if (this.#isFull) await this.#room();
      const size = Math.min(batchSize, count - place);
      this.#sent = (this.#sent + size) | 0;
      if (batchSize === 1) this.#port.postMessage(messageAt(messages, place));
      else this.#port.postMessage(batchAt(messages, place, size));
    }
  }

  answer(): void {
    this.#sink = (question) => this.#port.postMessage(asSent(question));
  }

  ask(question: number, answered: Sink): void {
    this.#sink = answered;
    this.#port.postMessage(asSent(question));
  }

  #deliver(message: unknown): void {
    this.#got = (this.#got + 1) | 0;
    if (this.#got % TOLD_EVERY === 0) Atomics.store(this.#received, 0, this.#got);
    this.#sink(message);
  }

  get #isFull(): boolean {
    const waiting = (this.#sent - Atomics.load(this.#receivedThere, 0)) | 0;
    return waiting + batchSize > WAITING_MAX;
  }

  async #room(): Promise<void> {
    while (this.#isFull) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
  }
}

function batchAt(messages: readonly unknown[], place: number, size: number): unknown[] {
  const batch: unknown[] = [];
  for (let index = 0; index < size; index++) batch.push(messageAt(messages, place + index));
  return batch;
}

/** A question is not to wait for others. */
function asSent(message: unknown): unknown {
  return batchSize === 1 ? message : [message];
}

await startContender(import.meta.url, (port) => PostEnd.open(port));
